import ArgumentParser
import Fuzzing
import Glibc
import Support

/// Runs mutated inputs in child processes, so that a trap, a hang or too much memory is seen and
/// told with the input that did it.
struct FuzzCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gsconvert-fuzz", abstract: "Feeds mutated inputs to gsconvert's parsers.")

  @Option(help: "Inputs of each kind.") var count = 200_000
  @Option(help: "Seed of the first input; input i has seed + i.") var seed: UInt64 = 1
  @Option(help: "Folder of intact ONNX files.") var models = "fixtures/models"
  @Option(help: "Folder of intact configuration files.") var configs = "configs"
  @Option(help: "Folder of intact images.") var images = "fixtures/images"
  @Option(help: "Folder of intact .ms files.") var translated =
    "Tests/MSLiteTranslationTests/Golden"
  @Option(help: "Folder for the files in work; memory-backed is fastest.") var work = "/dev/shm"
  @Option(help: "onnx, ini, image, ms, translation or reading; all if left out.")
  var kind: String?
  @Option(help: .hidden) var childOf: String?

  /// Inputs per child process.
  private static let batch = 2_000
  /// Seconds that a batch may take.
  private static let timeLimit = 300.0
  /// Bytes of memory a child may use.
  private static let memoryLimit = 1 << 30

  func run() throws {
    let kinds = kind.flatMap(FuzzTarget.init(rawValue:)).map { [$0] } ?? FuzzTarget.allCases
    if let childOf {
      for target in kinds { try runBatch(target, folder: childOf) }
      return
    }
    let folder = "\(work)/gsconvert-fuzz.\(getpid())"
    guard mkdir(folder, 0o700) == 0 else { throw ValidationError("cannot create \(folder)") }
    var failures = 0
    for target in kinds { failures += try runAll(target, folder: folder) }
    for file in ["mutated.onnx", "mutated.ms", "result.onnx", "current"] {
      unlink(folder + "/" + file)
    }
    rmdir(folder)
    print("\(count * kinds.count - failures) passed, \(failures) failed")
    if failures > 0 { throw ExitCode.failure }
  }

  private func corpus(_ target: FuzzTarget) throws -> [[UInt8]] {
    let (folder, ending) =
      switch target {
      case .onnx, .translation: (models, ".onnx")
      case .ms, .reading: (translated, ".ms")
      case .ini: (configs, ".cfg")
      case .image: (images, "")
      }
    let names = try FolderListing.files(in: folder).filter { $0.hasSuffix(ending) }
    return try names.map { name in
      let file = try MappedFile(path: folder + "/" + name)
      return file.contents.withUnsafeBytes { Array($0) }
    }
  }

  private func runBatch(_ target: FuzzTarget, folder: String) throws {
    let corpus = try corpus(target)
    let marker = open(folder + "/current", O_CREAT | O_RDWR, 0o600)
    for index in 0..<UInt64(count) {
      var current = seed + index
      pwrite(marker, &current, 8, 0)
      var mutator = Mutator(seed: current)
      target.run(mutator.mutate(corpus), seed: current, folder: folder)
    }
    close(marker)
  }

  private func runAll(_ target: FuzzTarget, folder: String) throws -> Int {
    var failures = 0
    var done = 0
    let start = ProcessUsage.seconds
    while done < count {
      let size = min(FuzzCommand.batch, count - done)
      let problem = try runChild(target, first: seed + UInt64(done), size, folder)
      if let problem {
        failures += 1
        print("\(target.rawValue): \(problem.text), input \(problem.seed)")
        done = Int(problem.seed - seed) + 1
      } else {
        done += size
      }
      if done / 20_000 != (done - size) / 20_000 {
        print("\(target.rawValue) \(done)/\(count), \(Int(ProcessUsage.seconds - start)) s")
        fflush(nil)
      }
    }
    return failures
  }

  private func runChild(
    _ target: FuzzTarget, first: UInt64, _ size: Int, _ folder: String
  ) throws -> (text: String, seed: UInt64)? {
    let arguments = [
      CommandLine.arguments[0], "--kind", target.rawValue, "--seed", String(first), "--count",
      String(size), "--models", models, "--configs", configs, "--images", images, "--translated",
      translated, "--child-of", folder,
    ]
    var pid = pid_t()
    var pointers = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    guard posix_spawn(&pid, "/proc/self/exe", nil, nil, &pointers, environ) == 0 else {
      throw ValidationError("cannot start a child")
    }
    var status: Int32 = 0
    var usage = rusage()
    let deadline = ProcessUsage.seconds + FuzzCommand.timeLimit
    while wait4(pid, &status, WNOHANG, &usage) == 0 {
      usleep(5_000)
      guard ProcessUsage.seconds > deadline else { continue }
      kill(pid, SIGKILL)
      wait4(pid, &status, 0, &usage)
      return ("a hang", current(folder))
    }
    if status != 0 { return ("ended with status \(status)", current(folder)) }
    if usage.ru_maxrss * 1024 > FuzzCommand.memoryLimit {
      return ("\(usage.ru_maxrss / 1024) MiB of memory somewhere before", current(folder))
    }
    return nil
  }

  private func current(_ folder: String) -> UInt64 {
    var seed: UInt64 = 0
    let marker = open(folder + "/current", O_RDONLY)
    pread(marker, &seed, 8, 0)
    close(marker)
    return seed
  }
}

FuzzCommand.main()
