// The tests in this target start real programs: the built command, Envoy, applications on loopback. They run one after the other, so that a
// slow machine slows them down but never makes them wait for each other.

internal import Testing

@Suite(.serialized) struct EndToEnd {}
