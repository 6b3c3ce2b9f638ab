// The routes of the HTTP API for Prometheus: the figures of this requester, and the nodes that it may ask for theirs.
import { Hono } from 'hono';
import { metricsText, metricsType } from '../../output/metrics.ts';
import type { Directory } from '../directory/directory.ts';
import { answer, parameters } from './answer.ts';
import type { ApiEnvironment } from './authorize.ts';
import { prometheusTargets } from './prometheus-targets.ts';

export function monitoringRoutes(directory: Directory): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  app.get('/metrics', async call => {
    const headers = { 'Content-Type': metricsType, 'Cache-Control': 'no-store' };
    return call.body(await metricsText(directory.metrics()), 200, headers);
  });
  app.get('/api/v1/sd/prometheus', async call =>
    answer(call, await prometheusTargets(directory.seen(), parameters(call))),
  );
  return app;
}
