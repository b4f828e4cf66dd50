// swift-tools-version: 6.2
import PackageDescription

// What a decision costs can only be counted in an optimized build, and all other tests are built without the optimizer: a package of its own, which
// builds the engine and what reads logs alone.
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
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "decision-cost",
  dependencies: [.package(name: "portcullis", path: "../..")],
  targets: [
    // Calls of the allocator, counted references, and locks.
    .target(name: "CCounting", path: "CCounting", cSettings: cSettings),
    .testTarget(
      name: "DecisionCostTests",
      dependencies: [
        "CCounting",
        .product(name: "PolicyModel", package: "portcullis"),
        .product(name: "PolicyLoading", package: "portcullis"),
        .product(name: "PolicyEngine", package: "portcullis"),
        .product(name: "PolicyAnalysis", package: "portcullis"),
      ],
      path: "DecisionCostTests", swiftSettings: settings),
  ]
)
