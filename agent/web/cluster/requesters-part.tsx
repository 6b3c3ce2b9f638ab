// Shows who keeps the roll: the requesters, which one watches, the servers of the store, and what is wrong with them.
import { endsSoon, endText } from '../../protocol/certificate-end.ts';
import { durationText } from '../../protocol/unit-text.ts';
import { head, requesterNow, second } from '../feed/roll.ts';
import type { Answer } from '../feed/use-answer.ts';
import { Part } from '../shell/part.tsx';
import type { ClusterStatus, PeerStatus, StoredStream } from './cluster-status.ts';

export function RequestersPart({ answer: { value, fault } }: { answer: Answer<ClusterStatus> }) {
  return (
    <Part id="requesters" title="Requesters" fault={fault}>
      {value && <Status status={value} />}
    </Part>
  );
}

function Status({ status }: { status: ClusterStatus }) {
  const { Troubles = [], Peers = [], Store = [], Certificates = [], VerdictsWait: waits } = status;
  return (
    <>
      {Troubles.map(({ Text, Hint }) => (
        <p key={Text} class="trouble">
          {Text} <span class="dim">{Hint}</span>
        </p>
      ))}
      {waits && (
        <p class="trouble">
          Verdicts on {waits.Nodes} silent nodes wait: {waits.Reason}
        </p>
      )}
      <table class="facts">
        <thead>
          <tr>
            <th scope="col">Requester</th>
            <th scope="col">Host</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{status.Node}</th>
            <td class="dim">this page comes from it</td>
            <td>{stateText(status)}</td>
          </tr>
          {Peers.map(peer => (
            <tr key={peer.Requester}>
              <th scope="row">{peer.Requester}</th>
              <td>{peer.Host}</td>
              <td>{peerText(peer, status.Version)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl class="rows">
        <Row label="cluster" value={status.ClusterID ?? head.value?.clusterId ?? 'not known'} />
        <Row label="version" value={status.Version} />
        <Row label="broker" value={status.Broker} />
        <Row label="trust" value={trustTexts[status.Trust] ?? ''} />
        {Store.map(stream => (
          <Row key={stream.Stream} label={stream.Stream} value={streamText(stream)} />
        ))}
        <Row label="events" value={waitingText(status.EventsWaiting)} />
        <Row label="next CA" value={nextText(status)} />
        {Certificates.map(each => (
          <CertificateRow key={`${each.Use} ${each.EndsAt}`} {...each} />
        ))}
      </dl>
    </>
  );
}

/** Shows when a certificate ends. One that should be renewed now stands out. */
function CertificateRow({ Use, EndsAt }: NonNullable<ClusterStatus['Certificates']>[number]) {
  second.value;
  const now = new Date(requesterNow());
  return (
    <div>
      <dt>certificate</dt>
      <dd>
        {Use}: <span class={endsSoon(EndsAt, now) ? 'ends-soon' : undefined}>{endText(EndsAt, now)}</span>
      </dd>
    </div>
  );
}

/** Shows a label and its value, or nothing when there is no value. */
function Row({ label, value }: { label: string; value: string }) {
  if (value === '') return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function stateText({ Node, Watcher, State, Reason, Troubles = [] }: ClusterStatus): string {
  const state = Reason && Troubles.length === 0 ? `${State} (${Reason})` : State;
  return Watcher === Node ? `${state}, watches over the roll` : state;
}

/** `ownVersion` is that of the requester that answers; only another one is named. */
function peerText({ Watches, Version, Differs = [], ClockAheadMs }: PeerStatus, ownVersion: string): string {
  const texts = [
    Watches ? 'watches over the roll' : 'stands by',
    ...(Version && Version !== ownVersion ? [`version ${Version}`] : []),
    ...(Differs.length > 0 ? [`has another ${Differs.join(', ')}`] : []),
    ...(ClockAheadMs === undefined ? [] : [clockText(ClockAheadMs)]),
  ];
  return texts.join('; ');
}

const clockText = (aheadMs: number): string =>
  `its clock is ${durationText(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead'}`;

const trustTexts: Readonly<Record<string, string>> = {
  keys: 'each node by its own key',
  shared: 'shared NATS: whoever may speak there may speak for any node, so approval protects nothing',
};

/** Returns how the servers of a cluster store a stream: who leads, and who is away or how far behind. */
function streamText({ Replicas, Leader, Others }: StoredStream): string {
  const late = Others.filter(({ Current }) => !Current).map(({ Server, Lag }) =>
    Lag > 0 ? `${Server} is ${Lag} behind` : `${Server} is away`,
  );
  const where = Replicas === 1 ? 'on 1 server' : `on ${Replicas} servers`;
  return [where, Leader ? `${Leader} leads` : 'no leader: no quorum', ...late].join(', ');
}

function waitingText(nodes: number | undefined): string {
  if (nodes === undefined) return '';
  return nodes === 0 ? 'all announced' : `those of ${nodes} nodes wait for the broker`;
}

function nextText({ NextAuthority: next }: ClusterStatus): string {
  if (!next) return '';
  return next.Ready ? 'a restart uses it' : `waits for ${next.Missing} approved nodes`;
}
