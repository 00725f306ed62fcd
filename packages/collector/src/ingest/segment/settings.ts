/** Where a client is to send to. */
export type Place = { protocol: string; host: string };

/**
 * What analytics.js asks its CDN for before it sends: one destination, this collector, and no measurements of
 * itself.
 */
export function settingsOf(writeKey: string, { protocol, host }: Place): object {
  const all = { enabled: true, integrations: {} };
  return {
    integrations: {
      'Segment.io': {
        apiKey: writeKey,
        apiHost: `${host}/v1`,
        protocol,
        unbundledIntegrations: [],
        addBundledMetadata: true,
        maybeBundledConfigIds: {},
        versionSettings: { version: '4.4.7', componentTypes: ['browser'] },
      },
    },
    plan: { track: { __default: all }, identify: { __default: all }, group: { __default: all } },
    edgeFunction: {},
    analyticsNextEnabled: true,
    middlewareSettings: {},
    enabledMiddleware: {},
    remotePlugins: [],
    legacyVideoPluginsEnabled: false,
    metrics: { sampleRate: 0 },
  };
}

/** What RudderStack's browser library asks its control plane for: a source that is on, without other destinations. */
export function sourceConfigOf(writeKey: string, siteId: number): object {
  const id = `milepost-${siteId}`;
  return {
    source: {
      id,
      name: 'Milepost',
      writeKey,
      enabled: true,
      workspaceId: id,
      config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
      destinations: [],
      dataplanes: {},
    },
    updatedAt: '2026-01-01T00:00:00.000Z',
  };
}
