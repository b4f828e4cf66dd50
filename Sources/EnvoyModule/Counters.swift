// The filters' counters in Envoy's statistics.
// Enters: decisions, reloads. Leaves: increments. Never here: a counter that is made while requests run; Envoy takes new ones only with a new
// configuration.

internal import CEnvoyModule
internal import CPortcullis

/// What is counted. The raw value is the name behind the metrics namespace of the filter's configuration.
enum Counter: Int, CaseIterable {
  case allowed
  /// Denied because the policies say so.
  case denied
  /// Denied because something that the answer depends on is not known.
  case undecided
  /// Denied because no decision could be made.
  case failed
  /// What would have been denied, had the filter not been in shadow mode.
  case shadowDenied
  case dryRunAllowed
  case dryRunDenied
  case dryRunUndecided
  /// Changes of files that are in force.
  case reloads
  /// Changes of files of which something is not in force, because it is broken.
  case reloadsStale

  var name: StaticString {
    switch self {
    case .allowed: "allowed"
    case .denied: "denied"
    case .undecided: "undecided"
    case .failed: "failed"
    case .shadowDenied: "shadow_denied"
    case .dryRunAllowed: "dry_run_allowed"
    case .dryRunDenied: "dry_run_denied"
    case .dryRunUndecided: "dry_run_undecided"
    case .reloads: "reloads"
    case .reloadsStale: "reloads_stale"
    }
  }

  /// What a decision counts as. A check that failed never says allow.
  @inline(__always)
  static func of(_ decision: borrowing portcullis_decision, isChecked: Bool) -> Counter {
    guard isChecked else { return .failed }
    switch unsafe Int(decision.outcome) {
    case PORTCULLIS_ALLOW: return .allowed
    case PORTCULLIS_UNDECIDED: return .undecided
    default: return .denied
    }
  }

  /// What the policies in dry run would have done; `nil` without any.
  static func ofDryRun(_ decision: borrowing portcullis_decision) -> Counter? {
    switch unsafe Int(decision.dry_run) {
    case PORTCULLIS_DRY_RUN_NONE: nil
    case PORTCULLIS_DRY_RUN_ALLOW: .dryRunAllowed
    case PORTCULLIS_DRY_RUN_DENY: .dryRunDenied
    default: .dryRunUndecided
    }
  }
}

/// The numbers that Envoy gave our counters; `nil` for one that it refused.
struct CounterNumbers {
  private var numbers: [Int?] = []
  /// `denials`, by reason.
  private(set) var byReason: Int?

  /// The counters of an HTTP filter.
  static func http(_ config: UnsafeMutableRawPointer) -> CounterNumbers {
    var own = CounterNumbers()
    for counter in Counter.allCases {
      var number = 0
      let result = unsafe envoy_dynamic_module_callback_http_filter_config_define_counter(
        config, portcullis_bytes(counter.name), nil, 0, &number)
      own.numbers.append(result == Int32(ENVOY_METRIC_SUCCESS) ? number : nil)
    }
    var number = 0
    var label = unsafe portcullis_bytes("reason")
    let result = unsafe envoy_dynamic_module_callback_http_filter_config_define_counter(
      config, portcullis_bytes("denials"), &label, 1, &number)
    own.byReason = result == Int32(ENVOY_METRIC_SUCCESS) ? number : nil
    return own
  }

  /// The counters of a network filter, which know no labels.
  static func network(_ config: UnsafeMutableRawPointer) -> CounterNumbers {
    var own = CounterNumbers()
    for counter in Counter.allCases {
      var number = 0
      let result = unsafe envoy_dynamic_module_callback_network_filter_config_define_counter(
        config, portcullis_bytes(counter.name), &number)
      own.numbers.append(result == Int32(ENVOY_METRIC_SUCCESS) ? number : nil)
    }
    return own
  }

  @inline(__always)
  subscript(_ counter: Counter) -> Int? { counter.rawValue < numbers.count ? numbers[counter.rawValue] : nil }
}
