// Portkey as npm has it appends to the headers of the answer of fetch(), which Node holds fixed, and answers streams and
// vectors with 500 (its issues 1389 and 1550). An answer wrapped anew has headers that can be changed.
const fetched = globalThis.fetch;
globalThis.fetch = async (...asked) => {
  const answer = await fetched(...asked);
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
};
