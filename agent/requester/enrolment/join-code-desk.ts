// The desk makes, lists and revokes join codes for operators. It adds to the kept codes what only a running requester knows:
// its cluster, and the addresses of its brokers.

import type { CreatedJoinCode, JoinCodeOrder, JoinCodeView } from '../../protocol/http-join-codes.ts';
import { encodeJoinCode, joinCodeLimits } from '../../protocol/join-code.ts';
import { MusterError } from '../../system/errors.ts';
import type { Act } from '../events/requester-events.ts';
import type { JoinCodes, ListedJoinCode } from './join-codes.ts';

/** Where new nodes find the brokers of the cluster. */
export interface BrokerAddresses {
  servers: readonly string[];
  /** See JoinCode in protocol/join-code.ts. */
  pins: readonly string[];
  /** The CA of the brokers in PEM; undefined without TLS, or when it is not known. */
  ca?: string | undefined;
  /** Whether the broker listens on this machine only. */
  localOnly: boolean;
}

export interface JoinCodeDesk {
  /**
   * Makes a code. Only its answer has the code itself. @throws MusterError as `JoinCodes.create`; `conflict` in shared
   * mode.
   */
  create(order: Omit<JoinCodeOrder, 'Actor'>, act: Act): Promise<CreatedJoinCode>;
  /** Returns all codes that are kept, the newest first. @throws MusterError `unreachable` while the requester starts. */
  list(): JoinCodeView[];
  /** Revokes a code. @throws MusterError as `JoinCodes.revoke`. */
  revoke(id: string, act: Act): Promise<JoinCodeView>;
}

export interface JoinCodeDeskOptions {
  /** Returns the codes and the id of the cluster; throws MusterError `unreachable` while the requester is not ready. */
  parts(): { joinCodes: JoinCodes | undefined; clusterId: string };
  /** Returns where nodes find the broker; undefined when it does not ask this requester whom to let in. */
  addresses(): BrokerAddresses | undefined | Promise<BrokerAddresses | undefined>;
}

/** Returns the desk of a requester. */
export function joinCodeDesk({ parts, addresses }: JoinCodeDeskOptions): JoinCodeDesk {
  return {
    async create(order, act) {
      const { joinCodes, clusterId } = parts();
      const where = await addresses();
      if (!joinCodes || !where) throw sharedMode();
      const { ExpiresInSeconds, Uses, Approve, Labels, Network } = order;
      const wish = {
        lifetimeMs: ExpiresInSeconds * 1_000,
        uses: Uses,
        approve: Approve,
        labels: Labels,
        network: Network || undefined,
      };
      const { token, code } = await joinCodes.create(wish, act);
      const servers = where.servers.slice(0, joinCodeLimits.servers);
      const line = encodeJoinCode({
        servers,
        pins: where.pins,
        token,
        cluster: clusterId,
        endsAt: Math.floor(Date.parse(code.record.endsAt) / 1_000),
      });
      return { JoinCode: viewOf(code), Code: line, Servers: servers, LocalOnly: where.localOnly };
    },
    list: () => parts().joinCodes?.list().map(viewOf) ?? [],
    async revoke(id, act) {
      const { joinCodes } = parts();
      if (!joinCodes) throw sharedMode();
      return viewOf(await joinCodes.revoke(id, act));
    },
  };
}

function viewOf({ id, used, state, record }: ListedJoinCode): JoinCodeView {
  const { at, by, endsAt, uses, approve, labels, network = '', revoked } = record;
  return {
    ID: id,
    State: state,
    CreatedAt: at,
    CreatedBy: by,
    EndsAt: endsAt,
    Uses: uses,
    Used: used,
    Approve: approve,
    Labels: labels,
    Network: network,
    ...(revoked ? { RevokedAt: revoked.at, RevokedBy: revoked.by } : {}),
  };
}

const sharedMode = (): MusterError =>
  new MusterError(
    'conflict',
    'nodes of this cluster need no join code: they log in to the NATS that nats.servers names, which does not ask this requester whom to let in',
    {
      hint: 'give the node the address and the credentials of that NATS; or let that NATS ask this requester, by what this prints: muster broker config',
    },
  );
