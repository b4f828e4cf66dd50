// swift-tools-version: 6.2
import PackageDescription

// The benchmarks are a package of their own: nobody who builds or embeds Portcullis builds a load generator with it.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]
let cSettings: [CSetting] = [
  .define("_GNU_SOURCE"),
  .enableWarning("all"),
  .enableWarning("extra"),
  .disableWarning("unused-parameter"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "portcullis-bench",
  dependencies: [
    .package(name: "portcullis", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
  ],
  targets: [
    // The ceiling: what the gRPC C core can answer when nobody decides anything.
    .executableTarget(
      name: "do-nothing-server", path: "Sources/CDoNothing", cSettings: cSettings,
      linkerSettings: [.linkedLibrary("grpc"), .linkedLibrary("gpr")]),
    // Processes on a chosen core, and the processor time that they used.
    .target(name: "CProcess", cSettings: cSettings),
    // The load: many calls at once over few connections, every answer checked.
    .target(
      name: "CLoad", dependencies: ["CProcess"], cSettings: cSettings,
      linkerSettings: [.linkedLibrary("grpc"), .linkedLibrary("gpr")]),
    // Calls of the allocator on this thread, counted.
    .target(name: "CAllocations", cSettings: cSettings),
    // Marks what Valgrind counts.
    .target(name: "CInstructions", cSettings: cSettings),
    .executableTarget(
      name: "portcullis-bench",
      dependencies: [
        "CAllocations", "CInstructions", "CLoad", "CProcess",
        .product(name: "PolicyModel", package: "portcullis"),
        .product(name: "PolicyLoading", package: "portcullis"),
        .product(name: "PolicyEngine", package: "portcullis"),
        .product(name: "PolicyAnalysis", package: "portcullis"),
        .product(name: "PeerIdentity", package: "portcullis"),
        .product(name: "ExtAuthzServer", package: "portcullis"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .testTarget(name: "BenchTests", dependencies: ["CLoad", "portcullis-bench", "do-nothing-server"], swiftSettings: settings),
  ]
)
