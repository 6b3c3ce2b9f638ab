// Starts two real NATS servers that are a cluster, so that each names both to its clients.
import { freePort } from './listener.ts';
import { makeNatsServer, type NatsServer } from './nats-server.ts';

/** Starts the servers, without JetStream, which two servers cannot keep. The caller releases them. */
export async function startNatsPair(): Promise<[NatsServer, NatsServer]> {
  const routes = [await freePort(), await freePort()] as const;
  const start = async (own: number, other: number) => {
    const config = `cluster { name: "pair", listen: "127.0.0.1:${own}", routes: ["nats://127.0.0.1:${other}"] }`;
    const server = await makeNatsServer({ jetstream: false, config });
    await server.start();
    return server;
  };
  return [await start(routes[0], routes[1]), await start(routes[1], routes[0])];
}
