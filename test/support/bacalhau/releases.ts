// How the releases of Bacalhau differ, as the specification has it. The peers of the tests behave so. Nothing here is taken from
// the program, which has its own table.

import {
  type OrchestratorFacts,
  orchestrator14,
  orchestrator15,
  orchestrator16,
} from './orchestrator-facts.ts';

export const releases = ['1.4.0', '1.5.2', '1.6.5', '1.9.3'] as const;
export type Release = (typeof releases)[number];

interface ReleaseFacts {
  node: NodeFacts;
  api: ApiFacts;
  commandLine: CommandLineFacts;
  orchestrator: OrchestratorFacts;
}

/** How its compute nodes join a requester. */
export interface NodeFacts {
  /** What a node says of its version. */
  gitVersion: string;
  /** The protocols that it lists; undefined when it sends no such member. */
  protocols: readonly string[] | undefined;
  /** Whether its information has the member `address`. */
  hasAddress: boolean;
  /** Whether it keeps on its disk that it is registered, never registers again, and ends when it is refused. */
  registersOnce: boolean;
  /** Whether it tries the newer protocol when the older one does not let it in. */
  speaksNewer: boolean;
  /** Where it sends its heartbeats. */
  heartbeats: readonly ('plain' | 'enveloped')[];
  /** Whether its metadata have the keys without prefix besides. */
  writesOldKeys: boolean;
  /** The labels that it gives itself. */
  labels(id: string): Record<string, string>;
}

/** How its HTTP API answers. */
export interface ApiFacts {
  /** The body of a refusal: the `message` of its web framework with an `error`, or its own envelope. */
  refusal: 'message' | 'envelope';
  /** How a decision is refused: by the status, or by `Success: false` below the status 200. */
  refusesBy: 'status' | 'success';
  /** The status for a node that nobody has. */
  unknownNode: 404 | 500;
  /** Whether it tells when it heard a node. */
  hasConnectionState: boolean;
  /** Whether nodes say their version. */
  hasVersions: boolean;
  /** Whether it calls itself DISCONNECTED, because it hears no heartbeat of its own. */
  isAloofFromItself: boolean;
  /** What an unknown route is answered with. */
  noRoute: { Message: string; Code: string; Hint?: string };
}

/** What its command line sends, and what it does with the answers. */
export interface CommandLineFacts {
  /** What it does with a token that is refused. */
  onRefusedToken: 'asks again' | 'fails';
  /** Whether it shows the message and the hint of a refusal, or the whole body. */
  showsRefusal: 'message' | 'body';
  /** How it asks for the version of the server in the command `version`. */
  versionRequest: 'GET /api/v1/agent/version' | 'POST /api/v1/version';
  /** The commands for which it never logs in, and whether it shows the token there that it kept. */
  withoutLogin: { commands: readonly string[]; showsToken: boolean };
  /** Whether it takes a token, or a name and a password, from its environment. */
  readsEnvironment: boolean;
  /** What it reads as the answer to `agent node`. */
  agentNode: 'node information' | 'node state';
  /** Whether it has `agent config`. */
  hasAgentConfig: boolean;
  /** Whether it reads when a node was heard. */
  hasConnectionState: boolean;
}

const node15: NodeFacts = {
  gitVersion: 'v1.5.2',
  protocols: ['bprotocol/v2', 'ncl/v1'],
  hasAddress: false,
  registersOnce: true,
  speaksNewer: false,
  heartbeats: ['enveloped', 'plain'],
  writesOldKeys: false,
  labels: () => ({ Architecture: 'amd64', 'Operating-System': 'linux' }),
};
const node16: NodeFacts = {
  ...node15,
  gitVersion: 'v1.6.5',
  hasAddress: true,
  registersOnce: false,
  speaksNewer: true,
  heartbeats: ['enveloped'],
  writesOldKeys: true,
};

const commandLineSince16: CommandLineFacts = {
  onRefusedToken: 'fails',
  showsRefusal: 'message',
  versionRequest: 'GET /api/v1/agent/version',
  withoutLogin: { commands: [], showsToken: false },
  readsEnvironment: false,
  agentNode: 'node information',
  hasAgentConfig: true,
  hasConnectionState: true,
};

const plainNoRoute = { Message: 'Not Found', Code: 'InternalError' };

export const facts: Readonly<Record<Release, ReleaseFacts>> = {
  '1.4.0': {
    orchestrator: orchestrator14,
    node: { ...node15, gitVersion: '', protocols: undefined, heartbeats: ['plain'] },
    api: {
      refusal: 'message',
      refusesBy: 'success',
      unknownNode: 500,
      hasConnectionState: false,
      hasVersions: false,
      isAloofFromItself: true,
      noRoute: plainNoRoute,
    },
    commandLine: {
      ...commandLineSince16,
      onRefusedToken: 'asks again',
      showsRefusal: 'body',
      versionRequest: 'POST /api/v1/version',
      withoutLogin: { commands: ['version'], showsToken: true },
      agentNode: 'node state',
      hasAgentConfig: false,
      hasConnectionState: false,
    },
  },
  '1.5.2': {
    orchestrator: orchestrator15,
    node: node15,
    api: {
      refusal: 'envelope',
      refusesBy: 'success',
      unknownNode: 500,
      hasConnectionState: false,
      hasVersions: true,
      isAloofFromItself: false,
      noRoute: plainNoRoute,
    },
    commandLine: { ...commandLineSince16, hasConnectionState: false },
  },
  '1.6.5': {
    orchestrator: orchestrator16,
    node: node16,
    api: {
      refusal: 'envelope',
      refusesBy: 'status',
      unknownNode: 404,
      hasConnectionState: true,
      hasVersions: true,
      isAloofFromItself: false,
      noRoute: plainNoRoute,
    },
    commandLine: commandLineSince16,
  },
  '1.9.3': {
    orchestrator: { ...orchestrator16, hasJobVersion: true },
    node: {
      ...node16,
      gitVersion: 'v1.9.3',
      labels: id => ({ name: id, os_arch: 'amd64', os_type: 'linux' }),
    },
    api: {
      refusal: 'envelope',
      refusesBy: 'status',
      unknownNode: 404,
      hasConnectionState: true,
      hasVersions: true,
      isAloofFromItself: false,
      noRoute: {
        Message: 'The requested resource/URL was not found.',
        Code: 'NotFound',
        Hint: 'The server version may be older than this CLI version and does not support the endpoint yet.',
      },
    },
    commandLine: {
      ...commandLineSince16,
      withoutLogin: { commands: ['agent alive', 'agent version', 'version'], showsToken: false },
      readsEnvironment: true,
    },
  },
};
