#!/usr/bin/env node
import { Command } from 'commander';
import { Refusal } from '../refusal.ts';
import * as backup from './backup.ts';
import * as channel from './channel.ts';
import * as doctor from './doctor.ts';
import * as goal from './goal.ts';
import * as importFile from './import.ts';
import * as key from './key.ts';
import * as migrate from './migrate.ts';
import * as model from './model.ts';
import * as override from './override.ts';
import * as person from './person.ts';
import * as rejected from './rejected.ts';
import * as rates from './rates.ts';
import * as reader from './reader.ts';
import * as rebuild from './rebuild.ts';
import * as restore from './restore.ts';
import * as serve from './serve.ts';
import * as signIn from './sign-in.ts';
import * as simulate from './simulate.ts';
import * as site from './site.ts';
import * as tail from './tail.ts';
import * as verify from './verify.ts';
import * as webhook from './webhook.ts';

const program = new Command('milepost')
  .description(
    'Milepost: the customer journey of every visitor, from the page to SQL.\n\n' +
      'Commands work on the database that DATABASE_URL names, else on that of the demo running here (npm start).',
  )
  .addHelpText(
    'after',
    `
From an empty database to the first touchpoint:
  $ export DATABASE_URL=postgres://user:password@localhost:5432/milepost
  $ milepost migrate
  $ milepost site create "My shop" --origin https://shop.example
  $ milepost key create --site 1 --kind write
  $ milepost serve`,
  )
  .showHelpAfterError('(milepost --help lists the commands)');

for (const command of [
  serve,
  migrate,
  site,
  key,
  reader,
  signIn,
  model,
  override,
  person,
  channel,
  goal,
  webhook,
  importFile,
  rates,
  rejected,
  simulate,
  rebuild,
  verify,
  tail,
  backup,
  restore,
  doctor,
])
  command.register(program);

try {
  await program.parseAsync();
} catch (error) {
  // what a person can act on comes as a sentence, everything else with its stack
  const isSentence = error instanceof Refusal;
  process.stderr.write(
    isSentence ? `milepost: ${error.message}\n` : `${(error as Error).stack ?? String(error)}\n`,
  );
  process.exitCode = 1;
}
