import { element, field, form } from './page.js';
import './shop.js';
import { read, update, userIdOf, watch } from './state.js';
import { farewell, welcome } from './tracking.js';

watch(({ customer, order }) => {
  element('signed-out').hidden = customer !== null;
  element('signed-in').hidden = customer === null;
  element('customer-name').textContent = customer?.name ?? '';
  element('customer-email').textContent = customer ? `${customer.email}, number ${customer.user_id}` : '';
  element('customer-order').textContent = order
    ? `Your last order is ${order.transaction_id}.`
    : 'You have no order yet.';
});

/** @param {'login' | 'sign_up'} event @param {HTMLFormElement} from */
function enter(event, from) {
  const email = field(from, 'email').toLowerCase();
  const name = field(from, 'name') || read().names[email] || (email.split('@')[0] ?? email);
  const customer = { user_id: userIdOf(email), email, name };
  welcome(event, customer);
  update((state) => {
    state.customer = customer;
    state.names[email] = name;
  });
  from.reset();
  element('signed-in').querySelector('h1')?.focus();
}

for (const [id, event] of /** @type {const} */ ([
  ['sign-in', 'login'],
  ['sign-up', 'sign_up'],
])) {
  form(id).addEventListener('submit', (submission) => {
    submission.preventDefault();
    enter(event, form(id));
  });
}

element('sign-out').addEventListener('click', () => {
  farewell();
  update((state) => {
    state.customer = null;
    state.order = null;
    state.cart = { id: null, lines: [] };
    state.wishes = [];
  });
  form('sign-in').querySelector('input')?.focus();
});
