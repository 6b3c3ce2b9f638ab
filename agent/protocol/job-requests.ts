// Reads what an orchestrator of Bacalhau asks a node about jobs, and writes the answers of a node that runs none.
import * as v from 'valibot';
import { parseJson, writeJson } from './json.ts';
import { count, struct, text, validate } from './schema.ts';

/** What an orchestrator asks. It sends nothing else on these subjects that wants an answer. */
export const jobMethods = [
  'AskForBid',
  'BidAccepted',
  'BidRejected',
  'CancelExecution',
  'ExecutionLogs',
] as const;
export type JobMethod = (typeof jobMethods)[number];

/** A request. A text is empty when the request does not contain it. */
export interface JobRequest {
  /** The id of the orchestrator that asks. */
  orchestrator: string;
  execution: string;
  job: string;
  /** The version of the job, which orchestrators have from 1.8 on; 0 for the others. */
  jobVersion: number;
}

/** Why a node of muster does nothing of what it is asked. */
export const noJobs = 'this node is one of muster, which runs no jobs';

/** The largest request, in bytes: a job may contain its input. No broker of Bacalhau takes more. */
const maxRequestBytes = 1_048_576;

/** Returns the subject of all requests about jobs to one node. */
export const jobRequestWildcard = (nodeId: string): string => `node.compute.${nodeId}.>`;
/** Returns the subject on which a node gets the same by Bacalhau's newer protocol. */
export const jobMessageSubject = (nodeId: string): string => `bacalhau.global.compute.${nodeId}.in.msgs`;
/** Returns the subject on which an orchestrator hears what a node thinks of a job. */
export const bidResultSubject = (orchestrator: string): string =>
  `node.orchestrator.${orchestrator}.OnBidComplete/v1`;

/** Returns what is asked on a subject; undefined for what no node answers. */
export function parseJobSubject(subject: string): JobMethod | undefined {
  const name = subject.slice(subject.lastIndexOf('.') + 1);
  return jobMethods.find(method => name === `${method}/v1`);
}

const id = () => text(256);
/** The ids that an orchestrator may have: it becomes a part of a subject. */
const orchestratorId = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_/=-]{1,128}$/, 'not the id of an orchestrator'),
);

const requestSchema = struct({
  SourcePeerID: orchestratorId,
  ExecutionID: id(),
  Execution: v.optional(
    struct({ ID: id(), JobID: id(), JobVersion: count(), Job: v.optional(struct({ ID: id() })) }),
  ),
});

/** Reads a request to bid, or one about a bid or an execution. @throws ProtocolError */
export function readJobRequest(bytes: Uint8Array): JobRequest {
  const { SourcePeerID, ExecutionID, Execution } = validate(requestSchema, parseJson(bytes, maxRequestBytes));
  return {
    orchestrator: SourcePeerID,
    execution: Execution?.ID || ExecutionID,
    job: Execution?.JobID || Execution?.Job?.ID || '',
    jobVersion: Execution?.JobVersion ?? 0,
  };
}

/** Writes that a request was taken. */
export const encodeJobAnswer = (request: JobRequest): string => writeJson({ value: metadataOf(request) });

/** Writes that a request is refused. */
export const encodeJobRefusal = (why: string): string => writeJson({ error: why, value: null });

/** Writes that a node does not bid for a job. An orchestrator hears of it apart from the answer. */
export const encodeNoBid = (nodeId: string, request: JobRequest, at: Date): string =>
  writeJson({
    SourcePeerID: nodeId,
    TargetPeerID: request.orchestrator,
    ...metadataOf(request),
    Accepted: false,
    Wait: false,
    Event: { Message: noJobs, Topic: 'Exec Scanning', Timestamp: at.toISOString() },
  });

/** The number that says in a stream of logs that nothing follows, and the reason for which it ends. */
const end = { type: 2, code: 5000 };

/** Writes the end of a stream of logs, of which there are none. */
export const encodeNoLogs = (): string =>
  writeJson({ type: end.type, closeError: { Code: end.code, Text: noJobs } });

const metadataOf = ({ execution, job, jobVersion }: JobRequest) => ({
  ExecutionID: execution,
  JobID: job,
  ...(jobVersion ? { JobVersion: jobVersion } : {}),
});
