import { itemOf, priceText } from './catalogue.js';
import { html } from './html.js';
import { assets, base, element, field, form } from './page.js';
import './shop.js';
import { read } from './state.js';
import { answerSurvey } from './tracking.js';

const { order, customer } = read();

if (!order) {
  element('no-order').hidden = false;
} else {
  element('thanks').hidden = false;
  element('order-id').textContent = order.transaction_id;
  element('order-total').textContent = priceText(order.value + order.shipping);
  element('order-lines').innerHTML = String(
    html`${order.lines.map(
      (line) =>
        html`<li>
          <img src="${assets}/art/${line.item_id}.svg" alt="" width="72" height="72" /> ${line.quantity} ×
          ${itemOf(line.item_id)?.name}
        </li>`,
    )}`,
  );
  element('account-next').hidden = customer !== null;
  const [first] = order.lines;
  if (first) element('review-next').setAttribute('href', `${base}/products/${first.item_id}#reviews`);

  form('survey').addEventListener('change', () => {
    answerSurvey(Number(field(form('survey'), 'score')), order.transaction_id);
    for (const input of form('survey').querySelectorAll('input')) input.disabled = true;
    const done = element('survey-done');
    done.textContent = 'Thank you, that helps.';
    done.hidden = false;
  });
}
