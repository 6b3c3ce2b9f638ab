// The parts of the `nats` package that it does not export. Only this file imports them.
//
// muster opens its own socket to a broker (see socket.ts), and a client of `nats` takes one only through its transport
// factory. The package's own `connect` sets a factory for its own socket and offers no way to replace it. The path below
// may change with any release, so a test compares the version in package.json with the one that was read for this file.
export {
  NatsConnectionImpl,
  setTransportFactory,
  type Transport,
} from 'nats/lib/nats-base-client/internal_mod.js';
