/** An error whose message is the whole story: one sentence for the person at the terminal, shown without a stack. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
