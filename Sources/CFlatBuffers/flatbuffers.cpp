#include "CFlatBuffers.h"

#include <flatbuffers/flatbuffers.h>
#include <sys/mman.h>

#include <new>

using flatbuffers::Offset;
using flatbuffers::Table;
using flatbuffers::uoffset_t;
using flatbuffers::Verifier;
using flatbuffers::voffset_t;

namespace {

/// Address space taken from the system at once, whose pages cost memory only once they are written.
class ReservedSpace : public flatbuffers::Allocator {
 public:
  explicit ReservedSpace(size_t size) : reserved(map(size)), reserved_size(size) {}
  ~ReservedSpace() override {
    if (reserved != nullptr) munmap(reserved, reserved_size);
  }
  uint8_t *allocate(size_t size) override {
    if (size > reserved_size) return map(size);
    uint8_t *bytes = reserved;
    reserved = nullptr;
    reserved_size = 0;
    return bytes;
  }
  void deallocate(uint8_t *bytes, size_t size) override { munmap(bytes, size); }

 private:
  static uint8_t *map(size_t size) {
    void *bytes = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) throw std::bad_alloc();
    return static_cast<uint8_t *>(bytes);
  }
  uint8_t *reserved;
  size_t reserved_size;
};

voffset_t slot(uint16_t field) { return static_cast<voffset_t>(4 + 2 * field); }

const Table *table_at(const uint8_t *bytes, size_t position) {
  return reinterpret_cast<const Table *>(bytes + position);
}

}  // namespace

struct gs_fb_builder {
  explicit gs_fb_builder(size_t capacity) : space(capacity), buffer(capacity, &space, false, 1) {}
  ReservedSpace space;
  flatbuffers::FlatBufferBuilder buffer;
};

gs_fb_builder *gs_fb_create(size_t capacity) {
  try {
    return new gs_fb_builder(capacity);
  } catch (...) {
    return nullptr;
  }
}

void gs_fb_destroy(gs_fb_builder *builder) { delete builder; }

size_t gs_fb_size(const gs_fb_builder *builder) { return builder->buffer.GetSize(); }

uint32_t gs_fb_string(gs_fb_builder *builder, const char *bytes, size_t count) {
  return builder->buffer.CreateString(bytes, count).o;
}

uint32_t gs_fb_vector(gs_fb_builder *builder, const void *elements, size_t count, size_t width) {
  uint8_t *target = nullptr;
  auto offset = builder->buffer.CreateUninitializedVector(count, width, &target);
  if (count > 0) memcpy(target, elements, count * width);
  return offset;
}

uint32_t gs_fb_hole(gs_fb_builder *builder, size_t count, size_t alignment) {
  uint8_t *target = nullptr;
  builder->buffer.ForceVectorAlignment(count, 1, alignment);
  return builder->buffer.CreateUninitializedVector(count, 1, &target);
}

uint32_t gs_fb_offsets(gs_fb_builder *builder, const uint32_t *offsets, size_t count) {
  auto &buffer = builder->buffer;
  buffer.StartVector(count, sizeof(uoffset_t));
  for (size_t index = count; index > 0; index--) buffer.PushElement(Offset<void>(offsets[index - 1]));
  return buffer.EndVector(count);
}

uint32_t gs_fb_start_table(gs_fb_builder *builder) { return builder->buffer.StartTable(); }

void gs_fb_scalar(gs_fb_builder *builder, uint16_t field, uint64_t bits, size_t width) {
  auto &buffer = builder->buffer;
  buffer.ForceDefaults(true);
  switch (width) {
    case 1: buffer.AddElement<uint8_t>(slot(field), static_cast<uint8_t>(bits), 0); break;
    case 4: buffer.AddElement<uint32_t>(slot(field), static_cast<uint32_t>(bits), 0); break;
    default: buffer.AddElement<uint64_t>(slot(field), bits, 0); break;
  }
}

void gs_fb_reference(gs_fb_builder *builder, uint16_t field, uint32_t offset) {
  builder->buffer.AddOffset(slot(field), Offset<void>(offset));
}

uint32_t gs_fb_end_table(gs_fb_builder *builder, uint32_t start) { return builder->buffer.EndTable(start); }

void gs_fb_finish(gs_fb_builder *builder, uint32_t root, const char *identifier) {
  builder->buffer.Finish(Offset<Table>(root), identifier);
}

uint8_t *gs_fb_bytes(gs_fb_builder *builder) { return builder->buffer.GetBufferPointer(); }

namespace {

/// Follows a schema through a buffer with the library's own checks.
struct SchemaVerifier {
  const gs_fb_schema &schema;
  Verifier &verifier;
  const uint8_t *start;
  size_t count;

  bool table(const Table *value, int32_t number) {
    if (number < 0 || static_cast<size_t>(number) >= schema.table_count) return false;
    if (!value->VerifyTableStart(verifier)) return false;
    const gs_fb_table &shape = schema.tables[number];
    for (uint32_t index = 0; index < shape.field_count; index++) {
      if (!field(value, schema.fields[shape.first_field + index])) return false;
    }
    return verifier.EndTable();
  }

  bool field(const Table *value, const gs_fb_field &field) {
    const voffset_t at = slot(field.number);
    switch (field.kind) {
      case GS_FB_SCALAR:
        return scalar(value, at, field.width);
      case GS_FB_STRING:
        return value->VerifyOffset(verifier, at) &&
               verifier.VerifyString(value->GetPointer<const flatbuffers::String *>(at));
      case GS_FB_VECTOR: return value->VerifyOffset(verifier, at) && vector(value, at, field.width);
      case GS_FB_TABLE:
        if (!value->VerifyOffset(verifier, at)) return false;
        return !present(value, at) || table(value->GetPointer<const Table *>(at), field.table);
      case GS_FB_TABLES: return value->VerifyOffset(verifier, at) && tables(value, at, field.table);
      case GS_FB_UNION: return member(value, at, field);
    }
    return false;
  }

  bool scalar(const Table *value, voffset_t at, size_t width) {
    const voffset_t offset = value->GetOptionalFieldOffset(at);
    return offset == 0 || verifier.Verify(static_cast<size_t>(reinterpret_cast<const uint8_t *>(value) - start) + offset, width);
  }

  static bool present(const Table *value, voffset_t at) { return value->GetOptionalFieldOffset(at) != 0; }

  bool vector(const Table *value, voffset_t at, size_t width) {
    switch (width) {
      case 1: return verifier.VerifyVector(value->GetPointer<const flatbuffers::Vector<uint8_t> *>(at));
      case 4: return verifier.VerifyVector(value->GetPointer<const flatbuffers::Vector<uint32_t> *>(at));
      default: return verifier.VerifyVector(value->GetPointer<const flatbuffers::Vector<uint64_t> *>(at));
    }
  }

  bool tables(const Table *value, voffset_t at, int32_t number) {
    if (!present(value, at)) return true;
    auto vector = value->GetPointer<const flatbuffers::Vector<Offset<Table>> *>(at);
    if (!verifier.VerifyVector(vector)) return false;
    for (uoffset_t index = 0; index < vector->size(); index++) {
      const uint8_t *entry = vector->Data() + index * sizeof(uoffset_t);
      const uoffset_t step = flatbuffers::ReadScalar<uoffset_t>(entry);
      const size_t from = static_cast<size_t>(entry - start);
      if (step == 0 || step > count - from) return false;
      if (!table(reinterpret_cast<const Table *>(entry + step), number)) return false;
    }
    return true;
  }

  bool member(const Table *value, voffset_t at, const gs_fb_field &field) {
    const voffset_t type_at = static_cast<voffset_t>(at - 2);
    if (!scalar(value, type_at, 1) || !value->VerifyOffset(verifier, at)) return false;
    const uint8_t type = value->GetField<uint8_t>(type_at, 0);
    if (type == 0 || !present(value, at)) return true;
    return type <= schema.union_count && table(value->GetPointer<const Table *>(at), field.table + type - 1);
  }
};

}  // namespace

bool gs_fb_verify(const uint8_t *bytes, size_t count, const char *identifier, const gs_fb_schema *schema) {
  if (count < 8 || count >= FLATBUFFERS_MAX_BUFFER_SIZE) return false;
  if (!flatbuffers::BufferHasIdentifier(bytes, identifier)) return false;
  Verifier verifier(bytes, count, 64, static_cast<uoffset_t>(count / 8));
  const uoffset_t root = flatbuffers::ReadScalar<uoffset_t>(bytes);
  if (root == 0 || root > count - sizeof(uoffset_t) || root >= FLATBUFFERS_MAX_BUFFER_SIZE) return false;
  SchemaVerifier check{*schema, verifier, bytes, count};
  return check.table(table_at(bytes, root), 0);
}

size_t gs_fb_root(const uint8_t *bytes) { return flatbuffers::ReadScalar<uoffset_t>(bytes); }

size_t gs_fb_position(const uint8_t *bytes, size_t table, uint16_t field) {
  const voffset_t offset = table_at(bytes, table)->GetOptionalFieldOffset(slot(field));
  return offset == 0 ? 0 : table + offset;
}

size_t gs_fb_target(const uint8_t *bytes, size_t position) {
  return position + flatbuffers::ReadScalar<uoffset_t>(bytes + position);
}
