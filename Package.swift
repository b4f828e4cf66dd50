// swift-tools-version: 6.2
import PackageDescription

// One settings list for every Swift target: strict concurrency comes with the Swift 6 language mode, strict memory safety
// makes every unsafe use visible, and no warning survives.
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
  name: "portcullis",
  products: [
    .executable(name: "portcullis", targets: ["portcullis"]),
    .library(name: "PolicyModel", targets: ["PolicyModel"]),
    .library(name: "PolicyLoading", targets: ["PolicyLoading"]),
    .library(name: "PolicyEngine", targets: ["PolicyEngine"]),
    .library(name: "PolicyAnalysis", targets: ["PolicyAnalysis"]),
    .library(name: "PeerIdentity", targets: ["PeerIdentity"]),
    .library(name: "ExtAuthzServer", targets: ["ExtAuthzServer"]),
    // What libportcullis.so is linked from (scripts/link-library.sh): SwiftPM's own dynamic libraries cannot say what they export.
    .library(name: "EmbeddedPortcullis", type: .static, targets: ["EmbeddedPortcullis"]),
    // What libportcullis_envoy.so is linked from, likewise.
    .library(name: "EnvoyModule", type: .static, targets: ["EnvoyModule"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // Floor 0: C.
    .systemLibrary(name: "CYAML"),
    .systemLibrary(name: "COpenSSL"),
    .target(
      name: "CExtAuthz",
      cSettings: cSettings,
      linkerSettings: [.linkedLibrary("grpc"), .linkedLibrary("gpr"), .linkedLibrary("protobuf-c")]),
    .target(name: "CPortcullis", cSettings: cSettings),
    .target(name: "CEnvoyModule", dependencies: ["CPortcullis"], cSettings: cSettings),
    // Floor 1: what a policy says.
    .target(name: "PolicyModel", swiftSettings: settings),
    // Floor 2: text to model, model to decision, certificate to identity.
    .target(name: "PolicyLoading", dependencies: ["PolicyModel", "CYAML"], swiftSettings: settings),
    // `Lifetimes`: the engine lends stretches of its tables and of a request as `Span`, which the compiler then keeps from outliving them.
    .target(
      name: "PolicyEngine", dependencies: ["PolicyModel"],
      swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
    .target(name: "PeerIdentity", dependencies: ["PolicyModel", "COpenSSL"], swiftSettings: settings),
    // Floor 3: where policies come from.
    .target(
      name: "PolicyFiles", dependencies: ["PolicyModel", "PolicyLoading", "PolicyEngine"], swiftSettings: settings),
    // What-if: what a change changes, who can reach whom, what a connection becomes, what is wrong. It asks the engine, so that it cannot drift from it.
    .target(name: "PolicyAnalysis", dependencies: ["PolicyModel", "PolicyEngine"], swiftSettings: settings),
    // The words about a decision that the command and the library share; it knows no command line and no JSON.
    .target(name: "DecisionText", dependencies: ["PolicyModel", "PolicyEngine"], swiftSettings: settings),
    // Floor 4: where answers are given.
    .target(
      name: "ExtAuthzServer", dependencies: ["PolicyModel", "PolicyEngine", "PeerIdentity", "CExtAuthz"],
      swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
    .target(
      name: "EmbeddedPortcullis",
      dependencies: ["CPortcullis", "PolicyModel", "PolicyLoading", "PolicyEngine", "PeerIdentity", "PolicyFiles", "DecisionText"],
      swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
    // Floor 5: Envoy's hooks, written against portcullis.h alone, and the command.
    .target(name: "EnvoyModule", dependencies: ["CEnvoyModule", "CPortcullis", "EmbeddedPortcullis"], swiftSettings: settings),
    .executableTarget(
      name: "portcullis",
      dependencies: [
        "PolicyModel", "PolicyLoading", "PolicyEngine", "PeerIdentity", "PolicyFiles", "PolicyAnalysis", "DecisionText", "ExtAuthzServer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    // Tests. `TestSupport` starts the real parts: the command, Envoy, certificates, raw gRPC calls.
    .target(
      name: "CRawGRPC", path: "Tests/CRawGRPC", cSettings: cSettings,
      linkerSettings: [.linkedLibrary("grpc"), .linkedLibrary("gpr")]),
    .target(name: "TestSupport", dependencies: ["CRawGRPC", "COpenSSL"], path: "Tests/TestSupport", swiftSettings: settings),
    .testTarget(name: "PolicyModelTests", dependencies: ["PolicyModel"], swiftSettings: settings),
    .testTarget(
      name: "PolicyLoadingTests", dependencies: ["PolicyModel", "PolicyLoading"], swiftSettings: settings),
    // Random policies and requests, for the engine and for the doors to it.
    .target(
      name: "RandomWorlds", dependencies: ["PolicyModel", "PolicyEngine"], path: "Tests/RandomWorlds", swiftSettings: settings),
    .testTarget(
      name: "PolicyEngineTests", dependencies: ["PolicyModel", "PolicyLoading", "PolicyEngine", "RandomWorlds"],
      swiftSettings: settings),
    // Reads the cases of Tests/Corpus, for every door that they go through.
    .target(
      name: "CorpusSupport", dependencies: ["PolicyModel", "PolicyLoading", "PolicyEngine", "TestSupport"], path: "Tests/CorpusSupport",
      swiftSettings: settings),
    .testTarget(name: "CorpusTests", dependencies: ["PolicyModel", "PolicyEngine", "CorpusSupport"], swiftSettings: settings),
    .testTarget(
      name: "PeerIdentityTests", dependencies: ["PolicyModel", "PeerIdentity", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "PolicyFilesTests", dependencies: ["PolicyModel", "PolicyLoading", "PolicyEngine", "PolicyFiles"],
      swiftSettings: settings),
    .testTarget(
      name: "PolicyAnalysisTests", dependencies: ["PolicyModel", "PolicyLoading", "PolicyEngine", "PolicyAnalysis"],
      swiftSettings: settings),
    .testTarget(
      name: "ExtAuthzServerTests",
      dependencies: [
        "PolicyModel", "PolicyLoading", "PolicyEngine", "PeerIdentity", "ExtAuthzServer", "CExtAuthz", "TestSupport",
        "CorpusSupport",
      ],
      resources: [.copy("CheckRequests")],
      swiftSettings: settings),
    .testTarget(
      name: "EmbeddedTests",
      dependencies: [
        "PolicyModel", "PolicyEngine", "PolicyFiles", "CPortcullis", "EmbeddedPortcullis", "TestSupport", "CorpusSupport", "RandomWorlds",
      ],
      // Programs that are compiled as a host would be.
      exclude: ["allocations.c", "guest.c", "threads.c"], swiftSettings: settings),
    // An Envoy whose answers a test chooses, for those that a real one never gives.
    .target(name: "CFakeEnvoy", dependencies: ["CPortcullis", "CEnvoyModule"], path: "Tests/CFakeEnvoy", cSettings: cSettings),
    .testTarget(
      name: "EnvoyModuleTests", dependencies: ["CPortcullis", "CEnvoyModule", "CFakeEnvoy", "EnvoyModule", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "PortcullisTests", dependencies: ["PolicyModel", "PolicyEngine", "DecisionText", "portcullis", "TestSupport"],
      swiftSettings: settings),
    // A TLS client that shows chosen certificates, for the differential test.
    .target(
      name: "CTLSClient", path: "Tests/CTLSClient", cSettings: cSettings,
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .testTarget(
      name: "DifferentialTests",
      dependencies: [
        "portcullis", "PolicyModel", "PolicyLoading", "PolicyEngine", "PolicyFiles", "TestSupport", "CTLSClient", "CorpusSupport",
      ],
      swiftSettings: settings),
    .testTarget(name: "EndToEndTests", dependencies: ["portcullis", "TestSupport"], swiftSettings: settings),
  ]
)
