import Glibc
import Support

/// Finds out before any work whether the results can be written.
enum OutputPreflight {
  /// - Throws: every problem of the output path and the report folder.
  static func check(_ job: ConversionJob) throws(Failure) {
    var problems: [Diagnostic] = []
    let folder = AtomicFile.folder(of: job.outputPath)
    if !isFolder(folder) {
      problems.append(
        Diagnostic(
          .outputFolderMissing, "the output folder '\(folder)' does not exist",
          help: "mkdir -p '\(folder)'"))
    } else if access(folder, W_OK | X_OK) != 0 {
      problems.append(
        Diagnostic(.cannotWrite, "the output folder '\(folder)' cannot be written to"))
    }
    if isFolder(job.outputPath) {
      problems.append(
        Diagnostic(
          .cannotWrite, "the output '\(job.outputPath)' is a folder",
          help: "name a file, such as \(job.outputPath)/model.onnx"))
    }
    if let read = identity(job.modelPath), let written = identity(job.outputPath), read == written {
      problems.append(
        Diagnostic(
          .flagConflict, "the output '\(job.outputPath)' is the model that is read",
          help: "give --outputFile another name; the float model is worth keeping"))
    }
    if let report = job.reportFolder, exists(report), !isFolder(report) {
      problems.append(
        Diagnostic(.cannotWrite, "debug_info_save_path '\(report)' is not a folder"))
    }
    if !problems.isEmpty { throw Failure(problems) }
  }

  /// Makes the folder and those above it.
  static func makeFolders(_ path: String) throws(SystemError) {
    guard !path.isEmpty, !isFolder(path) else { return }
    let parent = AtomicFile.folder(of: path)
    if parent != path, parent != "." { try makeFolders(parent) }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw SystemError("create", errno) }
  }

  private static func status(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
  }

  private static func exists(_ path: String) -> Bool { status(path) != nil }

  private static func isFolder(_ path: String) -> Bool {
    status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
  }

  private static func identity(_ path: String) -> [UInt64]? {
    status(path).map { [UInt64($0.st_dev), UInt64($0.st_ino)] }
  }
}
