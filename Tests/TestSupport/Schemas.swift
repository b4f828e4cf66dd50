// JSON Schemas of docs/schemas, held to what the command really prints.
//
// Enters: the name of a schema, a JSON text. Leaves: what is wrong, nothing when it fits. Never happens here: a keyword that is passed over:
// the validator is Debian's python3-jsonschema, which knows all of them.

internal import Foundation

extension Sandbox {
  /// What the schema `docs/schemas/NAME.json` says against a JSON text; empty when nothing.
  package func complaints(of schema: String, about json: String) throws -> String {
    let checker = """
      import json, sys
      from jsonschema import Draft202012Validator
      schema = json.load(open(sys.argv[1]))
      Draft202012Validator.check_schema(schema)
      errors = list(Draft202012Validator(schema).iter_errors(json.load(open(sys.argv[2]))))
      for error in errors[:5]:
          print("/".join(str(part) for part in error.absolute_path) + ": " + error.message[:300])
      sys.exit(1 if errors else 0)
      """
    let name = "schema-\(UInt32.random(in: 0...UInt32.max))"
    let script = try write(checker, to: "\(name).py")
    let text = try write(json, to: "\(name).json")
    let path = Programs.project() + "/docs/schemas/\(schema).json"
    let run = try self.run("/usr/bin/python3", [script, path, text])
    guard case .exited(let code) = run.end, code == 0 || !run.output.isEmpty else {
      return "the validator did not run (python3-jsonschema is needed): \(run.errors)"
    }
    return run.output
  }
}
