// Says what keeps an agent from doing its work. It is a pure function of the agent's state.
import { brokerTrouble } from '../output/broker-trouble.ts';
import { ProtocolError } from '../protocol/error.ts';
import { durationText } from '../protocol/unit-text.ts';
import { type MusterError, reasonOf } from '../system/errors.ts';
import type { Trouble } from '../system/trouble.ts';
import { connectRemedies } from '../transport/failure.ts';
import { BrokerError, type ConnectionState } from '../transport/port.ts';
import type { RequesterSilence } from './registration/requester-client.ts';
import type { RegistrationState } from './registration/state.ts';

export interface AgentTroubleSources {
  readonly node: string;
  /** The agent's own folder. */
  readonly folder: string;
  readonly state: Readonly<RegistrationState>;
  readonly connection: ConnectionState;
  /** The present time, in milliseconds of the monotonic clock. */
  readonly now: number;
  /** Set while the requester does not answer. */
  readonly silence: RequesterSilence | undefined;
  /** The longest silence that the requester allows its nodes, in milliseconds. The same is allowed to the requester. */
  readonly allowedSilenceMs: number;
  /** Why a file of the agent could not be written; undefined when the last write succeeded. */
  readonly fileFailure: { readonly error: unknown } | undefined;
  /** Why nobody can tell whether this machine is busy, as a sentence; undefined when it can be told, or is not asked. */
  readonly busyFault?: string | undefined;
  /** Why the agent does not serve its figures, although it should; undefined when it does. */
  readonly metricsFailure?: MusterError | undefined;
  /** Names the reports that should be sent and are not. */
  readonly stalled: string | undefined;
}

/** Returns the troubles of an agent, the most important one first. */
export function agentTroubles(sources: AgentTroubleSources): Trouble[] {
  return [
    // The connection is closed while the node waits to ask again, which is no trouble of the broker.
    sources.state.refusal || sources.state.phase === 'deleted'
      ? undefined
      : brokerTrouble(sources.connection, sources.now, hintForNewcomer(sources)),
    requesterTrouble(sources),
    registrationTrouble(sources),
    fileTrouble(sources),
    busyTrouble(sources),
    stallTrouble(sources),
    metricsTrouble(sources),
  ].filter(trouble => trouble !== undefined);
}

// A machine that was never in a cluster looks for a broker of its own, which is seldom what its operator forgot to start.
function hintForNewcomer({ connection, state }: AgentTroubleSources): string | undefined {
  if (connection.kind !== 'disconnected' || connection.fault !== 'unreachable' || state.cluster)
    return undefined;
  return `${connectRemedies.unreachable}; a machine that is in no cluster yet joins one with: muster agent join`;
}

function requesterTrouble(sources: AgentTroubleSources): Trouble | undefined {
  const { connection, silence, allowedSilenceMs } = sources;
  if (connection.kind !== 'connected' || !silence || silence.ms <= allowedSilenceMs) return undefined;
  const { failure } = silence;
  const nobody = failure instanceof BrokerError && failure.fault === 'no_responders';
  const unread =
    failure instanceof ProtocolError ? `; what answers instead cannot be read: ${failure.message}` : '';
  return {
    code: 'requester_silent',
    text: `${nobody ? 'no requester has listened at this broker' : 'the requester has not answered'} for ${durationText(silence.ms)}${unread}`,
    hint: "look at the requester with: muster status, on the requester's machine",
  };
}

/** An operator deletes a node seldom, and an orchestrator of Bacalhau from 1.6 on forgets it at a restart: once, and not in a row. */
const forgottenTooOften = 3;

function registrationTrouble({ node, state }: AgentTroubleSources): Trouble | undefined {
  const { phase, reason, operatorReason, refused, refusal, forgotten, cluster } = state;
  if (refusal) {
    if (refusal.code === 'not_permitted')
      return { code: 'key_refused', text: refusal.reason, hint: refusal.hint };
    const why = refusal.operatorReason ? `: ${refusal.operatorReason}` : '';
    const text = `the requester refuses the key of this node (${refusal.fingerprint}): ${refusal.reason}${why}`;
    return { code: 'key_refused', text, hint: refusal.hint };
  }
  const why = operatorReason ? `: ${operatorReason}` : '';
  if (phase === 'rejected') {
    return {
      code: 'rejected',
      text: `an operator rejected this node${why}`,
      hint: `to let it take part, run on the requester's machine: muster node approve ${node}`,
    };
  }
  if (phase === 'deleted') {
    return {
      code: 'deleted',
      text: `an operator deleted this node${why}`,
      hint: 'to register it again, run on this machine: muster agent register',
    };
  }
  if (forgotten >= forgottenTooOften && cluster === '') {
    return {
      code: 'not_kept',
      text: `the orchestrator does not keep this node: it was registered there ${forgotten} times`,
      hint: 'one of Bacalhau up to 1.5 may not take a deleted id back: give the node another one (node.id), and restart the agent',
    };
  }
  if (!refused) return undefined;
  const what = refused === 'information' ? 'this node' : "this node's resources";
  return {
    code: 'refused',
    text: `the requester refuses ${what}: ${reason}`,
    hint: "the agent goes on asking; the requester's log says more",
  };
}

function fileTrouble({ folder, fileFailure }: AgentTroubleSources): Trouble | undefined {
  if (!fileFailure) return undefined;
  return {
    code: 'folder_not_writable',
    text: `the agent cannot write its files: ${reasonOf(fileFailure.error)}`,
    hint: `make room on the disk of ${folder}, or let the agent's user write there`,
  };
}

function busyTrouble({ busyFault }: AgentTroubleSources): Trouble | undefined {
  if (busyFault === undefined) return undefined;
  return {
    code: 'busy_unknown',
    text: `the agent cannot tell whether this machine is busy: ${busyFault}`,
    hint: "let the agent's user read compute.busyFile, keep that file in /run, or take the setting out; until then a drain does not end",
  };
}

function stallTrouble({ stalled }: AgentTroubleSources): Trouble | undefined {
  if (!stalled) return undefined;
  return {
    code: 'stalled',
    text: `the agent should send ${stalled} and does not`,
    hint: 'restart the agent, and report its log',
  };
}

function metricsTrouble({ metricsFailure }: AgentTroubleSources): Trouble | undefined {
  if (!metricsFailure) return undefined;
  return {
    code: 'no_metrics',
    text: `the agent serves no figures for Prometheus: ${metricsFailure.message}`,
    hint: `${metricsFailure.hint}; then restart the agent`,
  };
}
