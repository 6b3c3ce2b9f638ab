// The routes about the requester itself: those of Bacalhau's that are still there, and those that it had up to 1.6.
import { Hono } from 'hono';
import { releaseOf } from '../../protocol/bacalhau-releases.ts';
import type { BuildVersion } from '../../protocol/node-info.ts';
import { version } from '../../system/version.ts';
import type { Directory } from '../directory/directory.ts';
import { answer } from './answer.ts';
import type { ApiEnvironment, Call } from './authorize.ts';
import { clientVersion } from './bacalhau-clients.ts';
import { RequestFault } from './problem.ts';
import { limitBody } from './read-body.ts';

export interface AgentRoutesOptions {
  directory: Directory;
  /** Returns the configuration under Bacalhau's keys, without secrets. */
  config(): Record<string, unknown>;
}

const maxBodyBytes = 4096;

/** Returns what Bacalhau's clients are told of the build. It names muster, so that nobody takes it for a release of Bacalhau. */
export function shownBuild({ self }: Directory): BuildVersion {
  return { ...self.BacalhauVersion, GitVersion: `muster-${version}` };
}

export function agentRoutes({ directory, config }: AgentRoutesOptions): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const build = (call: Call) => answer(call, shownBuild(directory));
  const alive = (call: Call) => call.text('OK');
  const id = (call: Call) => call.text(directory.self.NodeID);
  const info = (call: Call) => answer(call, directory.self);

  app.get('/api/v1/agent/alive', call => answer(call, { Status: 'OK' }));
  app.get('/api/v1/agent/version', build);
  app.get('/api/v1/agent/node', call => {
    const { agentNode } = releaseOf(clientVersion(call));
    if (agentNode === 'info') return info(call);
    return answer(call, { Info: directory.self, Membership: 'APPROVED', Connection: 'CONNECTED' });
  });
  app.get('/api/v1/agent/config', call => answer(call, { config: config() }));
  // By this a client finds out whether it can log in by a browser.
  app.get('/api/v1/agent/authconfig', call => answer(call, { Version: '1.0.0', Config: {} }));
  app.get('/api/v1/agent/debug', call => answer(call, { DiscoveredNodes: directory.list() }));
  app.get('/api/v1/agent/license', () => {
    throw new RequestFault(404, 'there is no licence file', 'muster needs none');
  });

  for (const path of ['/', '/version']) app.get(path, build);
  app.post('/api/v1/version', limitBody(maxBodyBytes), call =>
    answer(call, { build_version_info: shownBuild(directory) }),
  );
  for (const base of ['', '/api/v1']) {
    app.get(`${base}/livez`, alive);
    app.get(`${base}/id`, id);
    app.get(`${base}/node_info`, info);
  }
  return app;
}
