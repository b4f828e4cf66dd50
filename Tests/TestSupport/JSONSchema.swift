// JSON held to a JSON Schema, by a validator that is not ours.
// Enters: documents, one a line, and a schema of docs/schemas or of others. Leaves: what the validator complains of. Never here: a schema of ours in code.

internal import Foundation

extension Sandbox {
  /// Validates each line of `output` against `docs/schemas/NAME.json` with Debian's python3-jsonschema.
  ///
  /// - Returns: the validator's complaints; empty when there is none. A schema that is none is a complaint.
  package func schemaComplaints(_ name: String, _ output: String) throws -> String {
    try schemaComplaints(file: "docs/schemas/\(name).json", output)
  }

  /// The same with a schema anywhere in the project, under the draft that it names.
  package func schemaComplaints(file: String, _ output: String) throws -> String {
    let documents = try write(output, to: "schema-\(UUID().uuidString).jsonl")
    let script = """
      import json, sys
      from jsonschema import Draft202012Validator, FormatChecker
      from jsonschema.validators import validator_for
      schema = json.load(open(sys.argv[1], encoding='utf-8'))
      Validator = validator_for(schema, default=Draft202012Validator)
      Validator.check_schema(schema)
      lines = [line for line in open(sys.argv[2], encoding='utf-8') if line.strip()]
      if not lines: sys.exit('there is no document')
      for number, line in enumerate(lines, 1):
        for error in Validator(schema, format_checker=FormatChecker()).iter_errors(json.loads(line)):
          print(f'{number}: {error.json_path}: {error.message[:300]}')
      """
    let run = try run("/usr/bin/python3", ["-c", script, Programs.project() + "/" + file, documents])
    return run.end == .exited(0) ? run.output : "\(run.output)\(run.errors)"
  }
}
