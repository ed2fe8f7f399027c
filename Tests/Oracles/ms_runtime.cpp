// Runs a .ms model in the real MindSpore Lite runtime, the one inside the converter's library of the wheel
// mindspore-lite==2.0.0 (x86-64 Linux):
//
//   ms_runtime --modelFile=X.ms --outputDir=FOLDER [--inputShape=NAME:EXTENTS;...] --input=N=FILE.npy ...
//
// Inputs have the order of their numbers, shapes that of the inputs. Writes FOLDER/output_0.npy and so on. Exits 1
// where the runtime refuses the model or the run.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "include/api/context.h"
#include "include/api/model.h"

namespace {

using Shape = std::vector<int64_t>;

/// The library's threads don't end by themselves.
[[noreturn]] void leave(int status, const std::string &message) {
  if (!message.empty()) std::cerr << message << std::endl;
  std::cout.flush();
  _exit(status);
}

std::vector<char> read(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) leave(1, path + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The elements of a .npy file of version 1.
std::vector<char> elements(const std::string &path) {
  auto bytes = read(path);
  if (bytes.size() < 10) leave(1, path + " is no .npy file");
  size_t start = 10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(start, bytes.size())));
  return bytes;
}

const char *descriptor(mindspore::DataType type) {
  using mindspore::DataType;
  switch (type) {
    case DataType::kNumberTypeBool: return "|b1";
    case DataType::kNumberTypeInt8: return "|i1";
    case DataType::kNumberTypeUInt8: return "|u1";
    case DataType::kNumberTypeInt32: return "<i4";
    case DataType::kNumberTypeInt64: return "<i8";
    case DataType::kNumberTypeFloat16: return "<f2";
    case DataType::kNumberTypeFloat32: return "<f4";
    default: leave(1, "an output has a type that is not written");
  }
}

void write(const std::string &path, mindspore::MSTensor tensor) {
  std::ostringstream header;
  header << "{'descr': '" << descriptor(tensor.DataType()) << "', 'fortran_order': False, 'shape': (";
  for (auto extent : tensor.Shape()) header << extent << ",";
  header << "), }";
  std::string text = header.str();
  text.append(63 - (text.size() + 10) % 64, ' ').push_back('\n');
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8).put(static_cast<char>(text.size() % 256)).put(static_cast<char>(text.size() / 256));
  file << text;
  file.write(static_cast<const char *>(tensor.MutableData()), static_cast<std::streamsize>(tensor.DataSize()));
}

/// The extents in NAME:1,2,3;NAME:4,5.
std::vector<Shape> shapes(const std::string &text) {
  std::vector<Shape> result;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ';');) {
    Shape shape;
    std::istringstream extents(part.substr(part.rfind(':') + 1));
    for (std::string extent; std::getline(extents, extent, ',');) shape.push_back(std::atoll(extent.c_str()));
    result.push_back(shape);
  }
  return result;
}

}  // namespace

int main(int count, char **words) {
  std::string model_path, folder, shape_text;
  std::map<int, std::string> files;
  for (int index = 1; index < count; index++) {
    std::string word = words[index];
    auto value = word.substr(std::min(word.size(), word.find('=') + 1));
    if (word.rfind("--modelFile=", 0) == 0) model_path = value;
    if (word.rfind("--outputDir=", 0) == 0) folder = value;
    if (word.rfind("--inputShape=", 0) == 0) shape_text = value;
    if (word.rfind("--input=", 0) == 0) files[std::atoi(value.c_str())] = value.substr(value.find('=') + 1);
  }
  auto context = std::make_shared<mindspore::Context>();
  context->SetThreadNum(1);
  context->MutableDeviceInfo().push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  mindspore::Model model;
  if (model.Build(model_path, mindspore::kMindIR, context) != mindspore::kSuccess) leave(1, "the model is refused");
  auto inputs = model.GetInputs();
  auto extents = shapes(shape_text);
  if (!extents.empty() && model.Resize(inputs, extents) != mindspore::kSuccess) leave(1, "the shapes are refused");
  inputs = model.GetInputs();
  for (auto &[number, path] : files) {
    auto data = elements(path);
    if (number < 0 || static_cast<size_t>(number) >= inputs.size() || data.size() != inputs[number].DataSize()) {
      leave(1, path + " does not fit the model's input");
    }
    memcpy(inputs[number].MutableData(), data.data(), data.size());
  }
  std::vector<mindspore::MSTensor> outputs;
  if (model.Predict(inputs, &outputs) != mindspore::kSuccess) leave(1, "the run failed");
  for (size_t index = 0; index < outputs.size(); index++) {
    write(folder + "/output_" + std::to_string(index) + ".npy", outputs[index]);
  }
  leave(0, "");
}
