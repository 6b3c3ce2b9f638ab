// How the releases of Bacalhau differ, as the specification has it. The peers of the tests behave so. Nothing here is taken from
// the program, which has its own table.

export const releases = ['1.4.0', '1.5.2', '1.6.5', '1.9.3'] as const;
export type Release = (typeof releases)[number];

interface ReleaseFacts {
  api: ApiFacts;
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

const plainNoRoute = { Message: 'Not Found', Code: 'InternalError' };

export const facts: Readonly<Record<Release, ReleaseFacts>> = {
  '1.4.0': {
    api: {
      refusal: 'message',
      refusesBy: 'success',
      unknownNode: 500,
      hasConnectionState: false,
      hasVersions: false,
      isAloofFromItself: true,
      noRoute: plainNoRoute,
    },
  },
  '1.5.2': {
    api: {
      refusal: 'envelope',
      refusesBy: 'success',
      unknownNode: 500,
      hasConnectionState: false,
      hasVersions: true,
      isAloofFromItself: false,
      noRoute: plainNoRoute,
    },
  },
  '1.6.5': {
    api: {
      refusal: 'envelope',
      refusesBy: 'status',
      unknownNode: 404,
      hasConnectionState: true,
      hasVersions: true,
      isAloofFromItself: false,
      noRoute: plainNoRoute,
    },
  },
  '1.9.3': {
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
  },
};
