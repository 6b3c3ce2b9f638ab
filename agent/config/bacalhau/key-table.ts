// This table has all keys of Bacalhau's configuration, up to 1.4 and from 1.5 on, and says what each becomes in muster.
import type { Role } from '../role.ts';
import type { SettingKey } from '../settings.ts';

/** The form in which Bacalhau writes a value. */
export type Form = 'text' | 'duration' | 'size' | 'boolean' | 'path' | 'labels' | 'level' | 'mode';

/** The result for a key, or for all keys below it. */
export type KeyMapping =
  /** The key becomes a setting of muster. */
  | { readonly to: SettingKey; readonly as: Form }
  /** The key is dropped, for this reason. */
  | { readonly dropped: string }
  /** The key says which roles run. In muster the command decides that, not a setting. */
  | { readonly role: Role | 'list' }
  /** The key contains the brokers to which a compute node connects. Their addresses may contain a token. */
  | { readonly servers: true }
  /** The key is a secret that compute nodes show to the broker. With `both`, the broker also asks for it. */
  | { readonly token: Role | 'both' };

const jobs = 'muster runs no jobs';
const apiHasItsOwn = 'the HTTP API of muster makes its certificate and its tokens by itself';
const ownServers = 'use NATS servers of your own for that, and name them in nats.servers';
/** The reason why TLS settings of a requester are dropped. */
export const noTls = `the broker of a requester speaks no TLS; ${ownServers}`;
const oneBroker = `the broker of a requester is a single server; ${ownServers}`;
const address = 'muster reaches a broker at the addresses in nats.servers';
const program = 'it concerns only the program of Bacalhau';
const ownFolder = 'muster keeps its state in a folder of its own, and dataDir moves it';

const setting = (to: SettingKey, as: Form = 'text'): KeyMapping => ({ to, as });
const drop = (dropped: string): KeyMapping => ({ dropped });

/**
 * The keys in Bacalhau's spelling; upper and lower case are the same. If two keys have the same meaning, the upper one
 * counts. The sources are the configuration schemas of 1.4.0, 1.5.2 and 1.6.5, with the older names of keys that were
 * renamed in between.
 */
export const bacalhauKeys: Readonly<Record<string, KeyMapping>> = {
  // Keys of Bacalhau from 1.5 on.
  'Orchestrator.Enabled': { role: 'requester' },
  'Orchestrator.Host': setting('broker.host'),
  'Orchestrator.Port': setting('broker.port'),
  'Orchestrator.Auth.Token': { token: 'requester' },
  'Orchestrator.NodeManager.DisconnectTimeout': setting('requester.nodeDisconnectedAfter', 'duration'),
  'Orchestrator.NodeManager.ManualApproval': setting('requester.manualApproval', 'boolean'),
  'Orchestrator.Advertise': drop(address),
  'Orchestrator.TLS': drop(noTls),
  'Orchestrator.SupportReverseProxy': drop(noTls),
  'Orchestrator.Cluster': drop(oneBroker),
  'Orchestrator.Scheduler': drop(jobs),
  'Orchestrator.EvaluationBroker': drop(jobs),
  'Orchestrator.License': drop(program),
  'Compute.Enabled': { role: 'agent' },
  'Compute.Orchestrators': { servers: true },
  'Compute.Auth.Token': { token: 'agent' },
  'Compute.TLS.CACert': setting('nats.tls.caFile', 'path'),
  'Compute.TLS.RequireTLS': setting('nats.tls.handshakeFirst', 'boolean'),
  'Compute.Heartbeat.Interval': setting('compute.heartbeatFrequency', 'duration'),
  'Compute.Heartbeat.InfoUpdateInterval': setting('compute.infoUpdateFrequency', 'duration'),
  'Compute.Heartbeat.ResourceUpdateInterval': setting('compute.resourceUpdateFrequency', 'duration'),
  'Compute.AllocatedCapacity.CPU': setting('compute.allocatedCapacity.cpu'),
  'Compute.AllocatedCapacity.Memory': setting('compute.allocatedCapacity.memory', 'size'),
  'Compute.AllocatedCapacity.Disk': setting('compute.allocatedCapacity.disk', 'size'),
  'Compute.AllocatedCapacity.GPU': setting('compute.allocatedCapacity.gpu'),
  'Compute.AllowListedLocalPaths': drop(jobs),
  'Compute.Network': drop('nobody connects to an agent of muster'),
  'Compute.Env': drop(jobs),
  Labels: setting('node.labels', 'labels'),
  'Compute.Labels': setting('node.labels', 'labels'),
  NameProvider: setting('node.nameProvider'),
  'API.Host': setting('api.host'),
  'API.Port': setting('api.port'),
  'API.TLS': drop(apiHasItsOwn),
  'API.Auth': drop(apiHasItsOwn),
  'Logging.Level': setting('log.level', 'level'),
  'Logging.Mode': setting('log.format', 'mode'),
  'Logging.LogDebugInfoInterval': drop(program),
  DataDir: drop(ownFolder),
  StrictVersionMatch: drop('nodes of any version may register'),
  WebUI: drop(program),
  UpdateConfig: drop(program),
  FeatureFlags: drop(program),
  DisableAnalytics: drop('muster sends nothing to its makers'),
  InputSources: drop(jobs),
  Publishers: drop(jobs),
  Engines: drop(jobs),
  ResultDownloaders: drop(jobs),
  JobDefaults: drop(jobs),
  JobAdmissionControl: drop(jobs),

  // Keys of Bacalhau up to 1.4.
  'Node.Type': { role: 'list' },
  'Node.Name': setting('node.id'),
  'Node.NameProvider': setting('node.nameProvider'),
  'Node.Labels': setting('node.labels', 'labels'),
  'Node.LoggingMode': setting('log.format', 'mode'),
  'Node.ServerAPI.Host': setting('api.host'),
  'Node.ServerAPI.Port': setting('api.port'),
  'Node.ServerAPI.TLS': drop(apiHasItsOwn),
  'Node.ServerAPI.ClientTLS': drop(apiHasItsOwn),
  'Node.ClientAPI.Host': setting('api.host'),
  'Node.ClientAPI.Port': setting('api.port'),
  'Node.ClientAPI.TLS': drop(apiHasItsOwn),
  'Node.ClientAPI.ClientTLS': drop(apiHasItsOwn),
  'Node.Network.Orchestrators': { servers: true },
  'Node.Network.AuthSecret': { token: 'both' },
  'Node.Network.Port': setting('broker.port'),
  'Node.Network.AdvertisedAddress': drop(address),
  'Node.Network.Cluster': drop(oneBroker),
  'Node.Network.StoreDir': drop(ownFolder),
  'Node.Network.Type': drop('muster speaks only NATS'),
  'Node.Compute.ControlPlaneSettings.HeartbeatFrequency': setting('compute.heartbeatFrequency', 'duration'),
  'Node.Compute.ControlPlaneSettings.InfoUpdateFrequency': setting('compute.infoUpdateFrequency', 'duration'),
  'Node.Compute.ControlPlaneSettings.ResourceUpdateFrequency': setting(
    'compute.resourceUpdateFrequency',
    'duration',
  ),
  'Node.Compute.ControlPlaneSettings.HeartbeatTopic': setting('compute.heartbeatTopic'),
  // Bacalhau writes keys with these names, but does not read them.
  'Node.Compute.ClusterTimeouts.HeartbeatFrequency': setting('compute.heartbeatFrequency', 'duration'),
  'Node.Compute.ClusterTimeouts.InfoUpdateFrequency': setting('compute.infoUpdateFrequency', 'duration'),
  'Node.Compute.ClusterTimeouts.ResourceUpdateFrequency': setting(
    'compute.resourceUpdateFrequency',
    'duration',
  ),
  'Node.Compute.ClusterTimeouts.HeartbeatTopic': setting('compute.heartbeatTopic'),
  'Node.Compute.Capacity.TotalResourceLimits.CPU': setting('compute.allocatedCapacity.cpu'),
  'Node.Compute.Capacity.TotalResourceLimits.Memory': setting('compute.allocatedCapacity.memory', 'size'),
  'Node.Compute.Capacity.TotalResourceLimits.Disk': setting('compute.allocatedCapacity.disk', 'size'),
  'Node.Compute.Capacity.TotalResourceLimits.GPU': setting('compute.allocatedCapacity.gpu'),
  'Node.Compute.Capacity': drop(jobs),
  'Node.Compute.ExecutionStore': drop(jobs),
  'Node.Compute.JobTimeouts': drop(jobs),
  'Node.Compute.JobSelection': drop(jobs),
  'Node.Compute.Queue': drop(jobs),
  'Node.Compute.Logging': drop(jobs),
  'Node.Compute.ManifestCache': drop(jobs),
  'Node.Compute.LogStreamConfig': drop(jobs),
  'Node.Compute.LogStream': drop(jobs),
  'Node.Compute.LocalPublisher': drop(jobs),
  'Node.Requester.ManualNodeApproval': setting('requester.manualApproval', 'boolean'),
  'Node.Requester.ControlPlaneSettings.NodeDisconnectedAfter': setting(
    'requester.nodeDisconnectedAfter',
    'duration',
  ),
  'Node.Requester.ControlPlaneSettings.HeartbeatCheckFrequency': setting(
    'requester.heartbeatFrequency',
    'duration',
  ),
  'Node.Requester.ControlPlaneSettings.HeartbeatFrequency': setting(
    'requester.heartbeatFrequency',
    'duration',
  ),
  'Node.Requester.ControlPlaneSettings.HeartbeatTopic': setting('requester.heartbeatTopic'),
  'Node.Requester.NodeInfoStoreTTL': drop('muster never removes a node by itself'),
  'Node.NodeInfoStoreTTL': drop('muster never removes a node by itself'),
  'Node.Requester.JobDefaults': drop(jobs),
  'Node.Requester.ExternalVerifierHook': drop(jobs),
  'Node.Requester.JobSelectionPolicy': drop(jobs),
  'Node.Requester.JobStore': drop(jobs),
  'Node.Requester.HousekeepingBackgroundTaskInterval': drop(jobs),
  'Node.Requester.NodeRankRandomnessRange': drop(jobs),
  'Node.Requester.OverAskForBidsFactor': drop(jobs),
  'Node.Requester.FailureInjectionConfig': drop(jobs),
  'Node.Requester.TranslationEnabled': drop(jobs),
  'Node.Requester.EvaluationBroker': drop(jobs),
  'Node.Requester.Worker': drop(jobs),
  'Node.Requester.Scheduler': drop(jobs),
  'Node.Requester.StorageProvider': drop(jobs),
  'Node.Requester.TagCache': drop(jobs),
  'Node.Requester.DefaultPublisher': drop(jobs),
  'Node.BootstrapAddresses': drop(address),
  'Node.Libp2p': drop('muster speaks only NATS'),
  'Node.IPFS': drop(jobs),
  'Node.DownloadURLRequestRetries': drop(jobs),
  'Node.DownloadURLRequestTimeout': drop(jobs),
  'Node.VolumeSizeRequestTimeout': drop(jobs),
  'Node.ExecutorPluginPath': drop(jobs),
  'Node.ComputeStoragePath': drop(jobs),
  'Node.AllowListedLocalPaths': drop(jobs),
  'Node.DisabledFeatures': drop(jobs),
  'Node.EstuaryAPIKey': drop(jobs),
  'Node.WebUI': drop(program),
  'Node.StrictVersionMatch': drop('nodes of any version may register'),
  'Node.UpdateConfig': drop(program),
  'Node.SkipChecks': drop(program),
  User: drop('muster makes its own keys'),
  Metrics: drop(program),
  Update: drop(program),
  Auth: drop(apiHasItsOwn),
};
