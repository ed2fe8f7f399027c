#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The official FlatBuffers library, driven by field number: what tables hold is the caller's knowledge.
///
/// Building: vectors and tables are made before what refers to them; each is known by the offset it returns, counted
/// from the buffer's end. Reading: positions are counted from the buffer's start, and are safe once gs_fb_verify said so.

#ifdef __cplusplus
extern "C" {
#endif

/// A buffer in the making.
typedef struct gs_fb_builder gs_fb_builder;

/// Makes a builder in `capacity` reserved bytes of address space; pages that are never written take no memory. NULL
/// without that much address space.
gs_fb_builder *gs_fb_create(size_t capacity);
/// Frees a builder and its buffer.
void gs_fb_destroy(gs_fb_builder *builder);

/// Bytes in the buffer so far, which 2 GiB bound.
size_t gs_fb_size(const gs_fb_builder *builder);
/// A text; equal texts are not shared.
uint32_t gs_fb_string(gs_fb_builder *builder, const char *bytes, size_t count);
/// A vector of `count` elements of 1, 2, 4 or 8 bytes.
uint32_t gs_fb_vector(gs_fb_builder *builder, const void *elements, size_t count, size_t width);
/// A vector of bytes that are left alone: the buffer's pages are not touched. Its contents begin at a multiple of
/// `alignment`, counted from the buffer's end.
uint32_t gs_fb_hole(gs_fb_builder *builder, size_t count, size_t alignment);
/// A vector of tables or texts.
uint32_t gs_fb_offsets(gs_fb_builder *builder, const uint32_t *offsets, size_t count);

/// Begins a table; the fields follow, then gs_fb_end_table. Nothing else may be made in between.
uint32_t gs_fb_start_table(gs_fb_builder *builder);
/// Adds a scalar of 1, 4 or 8 bytes, the low ones of `bits`.
void gs_fb_scalar(gs_fb_builder *builder, uint16_t field, uint64_t bits, size_t width);
/// Adds a reference to a vector, a text or a table.
void gs_fb_reference(gs_fb_builder *builder, uint16_t field, uint32_t offset);
/// Ends the table begun at `start`.
uint32_t gs_fb_end_table(gs_fb_builder *builder, uint32_t start);
/// Ends the buffer, whose length becomes a multiple of 16, with its root table and a four-letter identifier.
void gs_fb_finish(gs_fb_builder *builder, uint32_t root, const char *identifier);
/// The finished buffer; gs_fb_size bytes.
uint8_t *gs_fb_bytes(gs_fb_builder *builder);

/// What a field may be.
enum gs_fb_kind {
  GS_FB_SCALAR = 0,
  GS_FB_STRING = 1,
  GS_FB_VECTOR = 2,
  GS_FB_TABLE = 3,
  GS_FB_TABLES = 4,
  /// A table whose type the byte in the field before tells.
  GS_FB_UNION = 5,
};

/// A field of a table.
typedef struct gs_fb_field {
  uint16_t number;
  uint8_t kind;
  /// Bytes of a scalar or of a vector's element.
  uint8_t width;
  /// The table meant, by its index in the schema; of a union, that of its first member.
  int32_t table;
} gs_fb_field;

/// A table: a range of the schema's fields.
typedef struct gs_fb_table {
  uint32_t first_field;
  uint32_t field_count;
} gs_fb_table;

/// All tables; the first is the root.
typedef struct gs_fb_schema {
  const gs_fb_table *tables;
  size_t table_count;
  const gs_fb_field *fields;
  /// Members of the union.
  size_t union_count;
} gs_fb_schema;

/// Whether the bytes are a buffer of that identifier whose every offset, length and nesting is sound.
bool gs_fb_verify(const uint8_t *bytes, size_t count, const char *identifier, const gs_fb_schema *schema);

/// The root table's position.
size_t gs_fb_root(const uint8_t *bytes);
/// The position of a field's bytes in a table; 0 where the table leaves it out.
size_t gs_fb_position(const uint8_t *bytes, size_t table, uint16_t field);
/// Where the reference at `position` leads.
size_t gs_fb_target(const uint8_t *bytes, size_t position);

#ifdef __cplusplus
}
#endif
