// Envoy's dynamic module for tests: linked as it is installed, and written into configurations.
//
// Enters: the archive beside the test bundle. Leaves: the path of the module, filters as YAML. Never happens here: a module that differs from the
// one that is installed.

internal import Foundation
internal import Synchronization

/// The module, linked from the archive of this build.
package enum EnvoyModule {
  private static let library = Mutex<String?>(nil)

  /// The module, linked once for all tests, beside the archive.
  package static func path(in sandbox: Sandbox) throws -> String {
    try library.withLock { known in
      if let known { return known }
      let archive = try ProcessInfo.processInfo.environment["PORTCULLIS_ENVOY_ARCHIVE"] ?? Programs.built("libEnvoyModule.a")
      let path = URL(fileURLWithPath: archive).deletingLastPathComponent().appendingPathComponent("libportcullis_envoy.so").path
      let run = try sandbox.run("/bin/bash", [Programs.project() + "/scripts/link-library.sh", archive, path, "envoy"], seconds: 120)
      guard run.end == .exited(0) else { throw TestFailure("the module cannot be linked: \(run.output)\(run.errors)") }
      known = path
      return path
    }
  }

  /// A filter of the module: `HTTP` or `Network`.
  package static func filter(_ kind: String, _ module: String, name: String = "authorize", settings: String?) -> String {
    let config = settings.map { "filter_config: {\"@type\": type.googleapis.com/google.protobuf.Struct, value: {\($0)}}" } ?? ""
    let (folder, message) =
      kind == "HTTP" ? ("http", "DynamicModuleFilter") : ("network", "DynamicModuleNetworkFilter")
    return """
      - name: portcullis-\(name)
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.\(folder).dynamic_modules.v3.\(message)
          dynamic_module_config:
            {name: portcullis_envoy, do_not_close: true, metrics_namespace: portcullis, module: {local: {filename: "\(module)"}}}
          filter_name: \(name)
          \(config)
      """
  }
}
