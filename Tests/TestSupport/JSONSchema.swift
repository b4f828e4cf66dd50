// JSON held to a JSON Schema, by a validator that is not ours.
// Enters: documents, one a line, and a schema of docs/schemas. Leaves: what the validator complains of. Never here: a schema of ours in code.

internal import Foundation

extension Sandbox {
  /// Validates each line of `output` against `docs/schemas/NAME.json` with Debian's python3-jsonschema.
  ///
  /// - Returns: the validator's complaints; empty when there is none. A schema that is none is a complaint.
  package func schemaComplaints(_ name: String, _ output: String) throws -> String {
    let documents = try write(output, to: "schema-\(UUID().uuidString).jsonl")
    let script = """
      import json, sys
      from jsonschema import Draft202012Validator as Validator
      schema = json.load(open(sys.argv[1]))
      Validator.check_schema(schema)
      lines = [line for line in open(sys.argv[2]) if line.strip()]
      if not lines: sys.exit('there is no document')
      for number, line in enumerate(lines, 1):
        for error in Validator(schema).iter_errors(json.loads(line)):
          print(f'{number}: {error.json_path}: {error.message[:300]}')
      """
    let run = try run("/usr/bin/python3", ["-c", script, Programs.project() + "/docs/schemas/\(name).json", documents])
    return run.end == .exited(0) ? run.output : "\(run.output)\(run.errors)"
  }
}
