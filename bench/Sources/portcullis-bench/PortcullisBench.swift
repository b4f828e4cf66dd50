// The command: each kind of measurement is a subcommand in a file of its own.
internal import ArgumentParser

@main
struct PortcullisBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "portcullis-bench",
    abstract: "Measures Portcullis beside what it is compared with, in one run, and prints the ratios.",
    subcommands: [
      ChecksCommand.self, CoresCommand.self, AllocationsCommand.self, DecisionsCommand.self, InstructionsCommand.self, LoadingCommand.self,
      EnvoyCommand.self, ReplayCommand.self, WhatIfCommand.self,
    ])
}
