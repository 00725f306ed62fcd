import type pg from 'pg';

/**
 * How far the feed of a restored site jumps: more than it can have gone on between backup and loss. The places in between
 * were told to readers of what is lost now, or were not.
 */
const lostCursors = 1_000_000_000;

/** What a restored Milepost must do otherwise than one that was only stopped. */
export async function takeUp(client: pg.ClientBase, { isSilent }: { isSilent: boolean }): Promise<void> {
  // No cursor is given twice, and one from after the backup is told to be expired.
  await client.query(
    `with jumped as (
       update store.feeds
       set last_cursor = feeds.last_cursor + $1,
         lost = feeds.lost + int8multirange(int8range(feeds.last_cursor + 1, feeds.last_cursor + $1))
       returning feeds.site_id, feeds.last_cursor
     )
     update store.webhooks
     set cursor = jumped.last_cursor
     from jumped
     where webhooks.site_id = jumped.site_id and webhooks.cursor = jumped.last_cursor - $1`,
    [lostCursors],
  );
  // Whoever bought after the backup is not to be reminded of the cart.
  await client.query('update store.sites set triggers_from = now()');
  // Rows made again beside the live ones are not backed up: that work begins anew.
  await client.query(`update store.rederivations set phase = 'waiting', token = null`);
  if (isSilent)
    await client.query(
      `select store.disable_webhook(webhooks.site_id, webhooks.webhook_id, 'by_hand')
       from store.webhooks where webhooks.is_enabled`,
    );
  // Statistics of columns are set where derivation makes partitions.
  await client.query(
    `select store.limit_statistics(pg_inherits.inhrelid::regclass)
     from pg_inherits
     where pg_inherits.inhparent = 'store.touchpoints'::regclass`,
  );
}
