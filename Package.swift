// swift-tools-version: 6.1
import PackageDescription

/// Numeric loops are some 100 times slower unoptimized, so the modules that hold them are compiled
/// optimized in debug builds too. Inference is not among them: its loops are in CKernels, and
/// optimizing the rest took a third of a clean build to gain half a minute of tests.
let hot: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]
/// Contraction would let a processor with fused multiply-add change the last bit.
let hotC: [CSetting] = [.unsafeFlags(["-O3", "-ffp-contract=off"])]

let package = Package(
  name: "gsconvert",
  products: [.executable(name: "gsconvert", targets: ["gsconvert"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.28.0"),
  ],
  targets: [
    .target(name: "CSystem"),
    .target(name: "Support", dependencies: ["CSystem"], swiftSettings: hot),
    .target(name: "CIniparser", linkerSettings: [.linkedLibrary("iniparser")]),
    .target(name: "Configuration", dependencies: ["Support", "CIniparser"]),
    .target(name: "ModelGraph", dependencies: ["Support"], swiftSettings: hot),
    .target(name: "Operators", dependencies: ["ModelGraph"]),
    .target(name: "GraphPasses", dependencies: ["ModelGraph", "Support"], swiftSettings: hot),
    .target(name: "CKernels", cSettings: hotC),
    .target(name: "Statistics", dependencies: ["CKernels"], swiftSettings: hot),
    .target(
      name: "Quantization",
      dependencies: [
        "CKernels", "GraphPasses", "ModelGraph", "Operators", "Support", "WeightCoding",
      ],
      swiftSettings: hot),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .target(
      name: "Inference",
      dependencies: ["CKernels", "COneDNN", "ModelGraph", "Operators", "Support"]),
    .target(name: "WeightCoding", dependencies: ["CKernels"], swiftSettings: hot),
    .target(name: "CFlatBuffers"),
    .target(
      name: "ModelFormats",
      dependencies: [
        "CFlatBuffers", "CKernels", "ModelGraph", "Support", "WeightCoding",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["ONNX/Proto/onnx_subset.proto"], swiftSettings: hot),
    .target(
      name: "MSLiteTranslation",
      dependencies: ["GraphPasses", "ModelFormats", "ModelGraph", "Support"]),
    .target(name: "Reports", dependencies: ["Statistics", "Support"]),
    .target(name: "TensorFiles", dependencies: ["ModelGraph", "Support"], swiftSettings: hot),
    .systemLibrary(
      name: "CImageCodecs",
      providers: [.apt(["libturbojpeg0-dev", "libspng-dev", "libwebp-dev"])]),
    .target(
      name: "Images", dependencies: ["CImageCodecs", "CKernels", "Support"], swiftSettings: hot),
    .target(
      name: "SampleData",
      dependencies: [
        "CKernels", "Configuration", "Images", "ModelGraph", "Support", "TensorFiles",
      ],
      swiftSettings: hot),
    .target(
      name: "Calibration",
      dependencies: [
        "GraphPasses", "Inference", "ModelGraph", "Quantization", "Statistics", "Support",
      ],
      swiftSettings: hot),
    .target(
      name: "Conversion",
      dependencies: [
        "CSystem", "Calibration", "Configuration", "GraphPasses", "Inference", "MSLiteTranslation",
        "ModelFormats", "ModelGraph", "Operators", "Quantization", "Reports", "SampleData",
        "Statistics", "Support", "TensorFiles", "WeightCoding",
      ]),
    .executableTarget(
      name: "gsconvert",
      dependencies: [
        "Conversion", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(
      name: "Fuzzing",
      dependencies: [
        "Configuration", "Conversion", "Images", "ModelFormats", "Quantization", "Support",
      ]),
    .executableTarget(
      name: "gsconvert-fuzz",
      dependencies: [
        "Fuzzing", "Support", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .testTarget(name: "SupportTests", dependencies: ["Support"]),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
    .testTarget(name: "ModelGraphTests", dependencies: ["ModelGraph", "Support"]),
    .testTarget(name: "ReportsTests", dependencies: ["Reports", "Statistics"]),
    .testTarget(name: "GraphPassesTests", dependencies: ["GraphPasses", "ModelGraph"]),
    .testTarget(
      name: "ModelFormatsTests", dependencies: ["ModelFormats", "ModelGraph", "Support"]),
    .testTarget(
      name: "WeightCodingTests", dependencies: ["WeightCoding"],
      exclude: ["golden.json", "make_golden.py"], swiftSettings: hot),
    .testTarget(
      name: "MSLiteTranslationTests",
      dependencies: ["Inference", "MSLiteTranslation", "ModelFormats", "ModelGraph", "Support"],
      exclude: ["Golden"]),
    .testTarget(
      name: "QuantizationTests",
      dependencies: ["CKernels", "ModelGraph", "Quantization", "Support"],
      exclude: ["Feedback/make_golden.py"],
      swiftSettings: hot),
    .testTarget(
      name: "StatisticsTests", dependencies: ["CKernels", "Statistics", "Support"],
      exclude: ["make_golden.py"], swiftSettings: hot),
    .executableTarget(
      name: "gsconvert-conformance",
      dependencies: [
        "Inference", "ModelFormats", "ModelGraph", "Support",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(
      name: "InferenceTests",
      dependencies: ["CKernels", "Inference", "ModelFormats", "ModelGraph", "Support"]),
    .testTarget(
      name: "TensorFilesTests", dependencies: ["Fuzzing", "ModelGraph", "Support", "TensorFiles"]),
    .testTarget(
      name: "ImagesTests", dependencies: ["Images", "Support"], exclude: ["Golden"]),
    .testTarget(
      name: "SampleDataTests",
      dependencies: [
        "Configuration", "Images", "ModelGraph", "SampleData", "Support", "TensorFiles",
      ]),
    .testTarget(
      name: "ConversionTests",
      dependencies: [
        "Conversion", "Fuzzing", "ModelFormats", "ModelGraph", "Quantization", "Support",
      ], exclude: ["Golden"]),
    .testTarget(
      name: "CommandLineTests", dependencies: ["gsconvert"], exclude: ["Snapshots"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)

/// Debug builds compile each module as a whole: file by file a clean build takes a fifth longer, and
/// a change within a module little less. Two threads, since the index wants an output for each file.
let whole: [SwiftSetting] = [
  .unsafeFlags(["-whole-module-optimization", "-num-threads", "2"], .when(configuration: .debug))
]
let swiftless: Set = ["CIniparser", "CKernels", "COneDNN", "CFlatBuffers", "CImageCodecs"]
for target in package.targets where !swiftless.contains(target.name) {
  target.swiftSettings = (target.swiftSettings ?? []) + whole
}
