import { itemOf, priceText } from './catalogue.js';
import { html } from './html.js';
import { base, element, field, form } from './page.js';
import './shop.js';
import { deliveryPrice, read, taxIn, update, valueOf } from './state.js';
import { addPaymentInfo, addShippingInfo, beginCheckout, purchase } from './tracking.js';

const stepNames = /** @type {const} */ (['address', 'payment', 'pay']);
const paymentNames = /** @type {Record<string, string>} */ ({
  invoice: 'Invoice',
  card: 'Card',
  bank_transfer: 'Bank transfer',
});

const { cart, customer } = read();
const value = valueOf(cart.lines);
const tier = () => field(form('address'), 'delivery');
const total = () => value + deliveryPrice(tier(), value);

function showSummary() {
  element('summary').innerHTML = String(
    html`<h2>Your order</h2>
      <ul>
        ${cart.lines.map((line) => {
          const item = itemOf(line.item_id);
          return html`<li>
            <span>${line.quantity} × ${item?.name}${line.variant ? `, ${line.variant}` : ''}</span>
            <b>${priceText((item?.price ?? 0) * line.quantity)}</b>
          </li>`;
        })}
      </ul>
      <p class="summary-row"><span>Delivery</span> <b>${priceText(deliveryPrice(tier(), value))}</b></p>
      <p class="summary-row summary-total"><span>Total</span> <b>${priceText(total())}</b></p>
      <p class="summary-hint">${priceText(taxIn(total()))} of it is VAT.</p>`,
  );
  element('pay-total').textContent = priceText(total());
}

/** @param {string} name */
function go(name) {
  for (const step of stepNames) form(step).hidden = step !== name;
  for (const mark of document.querySelectorAll('[data-step]')) {
    const step = /** @type {HTMLElement} */ (mark).dataset['step'];
    if (step === name) mark.setAttribute('aria-current', 'step');
    else mark.removeAttribute('aria-current');
    mark.classList.toggle(
      'done',
      stepNames.indexOf(/** @type {'pay'} */ (step)) < stepNames.indexOf(/** @type {'pay'} */ (name)),
    );
  }
  form(name).querySelector('h2')?.focus();
}

form('address').addEventListener('submit', (event) => {
  event.preventDefault();
  const wrong = [...form('address').querySelectorAll('input')].filter((input) => !input.checkValidity());
  for (const input of form('address').querySelectorAll('input'))
    input.setAttribute('aria-invalid', String(wrong.includes(input)));
  const error = /** @type {HTMLElement} */ (form('address').querySelector('.form-error'));
  error.hidden = wrong.length === 0;
  if (wrong[0]) {
    const names = wrong.map((input) => input.closest('label')?.firstChild?.textContent?.trim().toLowerCase());
    error.textContent = `Please look again at: ${names.join(', ')}.`;
    wrong[0].focus();
    return;
  }
  addShippingInfo(tier());
  go('payment');
});
form('address').addEventListener('change', showSummary);

element('example').addEventListener('click', () => {
  const example = {
    email: 'ada@wayside.example',
    name: 'Ada Wanderer',
    street: 'Am Waldrand 7',
    postcode: '38700',
    town: 'Braunlage',
  };
  for (const [name, text] of Object.entries(example)) {
    const input = /** @type {HTMLInputElement} */ (form('address').elements.namedItem(name));
    input.value ||= text;
  }
});

form('payment').addEventListener('submit', (event) => {
  event.preventDefault();
  const payment = field(form('payment'), 'payment');
  addPaymentInfo(payment);
  const look = {
    To: ['name', 'street', 'postcode', 'town'].map((name) => field(form('address'), name)).join(', '),
    Delivery: tier() === 'express' ? 'Express' : 'Standard',
    Payment: paymentNames[payment],
    Total: priceText(total()),
  };
  element('last-look').innerHTML = String(
    html`${Object.entries(look).map(
      ([name, text]) =>
        html`<dt>${name}</dt>
          <dd>${text}</dd>`,
    )}`,
  );
  go('pay');
});

form('pay').addEventListener('submit', (event) => {
  event.preventDefault();
  const shipping = deliveryPrice(tier(), value);
  const order = {
    transaction_id: `W-${Date.now().toString(36).toUpperCase()}-${Math.random().toString(36).slice(2, 6).toUpperCase()}`,
    cart_id: cart.id ?? '',
    lines: cart.lines,
    value,
    shipping,
    tax: taxIn(value + shipping),
  };
  purchase(order);
  update((state) => {
    state.order = order;
    state.cart = { id: null, lines: [] };
  });
  location.assign(`${base}/thank-you`);
});

for (const button of document.querySelectorAll('[data-back]')) {
  button.addEventListener('click', () =>
    go(/** @type {HTMLElement} */ (button).dataset['back'] ?? 'address'),
  );
}

if (cart.lines.length === 0) {
  element('checkout-empty').hidden = false;
} else {
  element('checkout').hidden = false;
  for (const price of document.querySelectorAll('[data-delivery]')) {
    const amount = deliveryPrice(/** @type {HTMLElement} */ (price).dataset['delivery'] ?? '', value);
    price.textContent = amount === 0 ? 'free' : priceText(amount);
  }
  if (customer) {
    /** @type {HTMLInputElement} */ (form('address').elements.namedItem('email')).value = customer.email;
    /** @type {HTMLInputElement} */ (form('address').elements.namedItem('name')).value = customer.name;
  }
  showSummary();
  beginCheckout();
}
