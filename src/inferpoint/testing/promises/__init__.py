"""The promises of a service, each a function that raises when it is broken; these tables say what of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inferpoint.testing.promises import answers, calls, complaints, declarations, streams, vectors

Promises = tuple[Callable[[Any], None], ...]

OF_A_SERVICE: Promises = (
    declarations.it_is_declared_whole,
    declarations.headers_tell_of_limits_that_make_sense_or_of_none,
)
OF_A_TASK: Promises = (
    declarations.a_task_is_declared_whole,
    complaints.any_complaint_is_read_or_is_an_error,
    complaints.a_complaint_may_be_nested_deeply,
    declarations.it_has_conversations_that_say_where_they_come_from,
)
OF_CONVERSATIONS: Promises = (declarations.every_secret_is_in_a_conversation,)
OF_AN_EMBEDDING_TASK: Promises = (
    vectors.n_inputs_are_n_vectors_in_order,
    vectors.a_bad_row_fails_its_own_text_alone,
)
OF_A_CONVERSATION: Promises = (
    calls.the_call_is_exactly_the_recorded_one,
    calls.encoding_twice_is_the_same_and_changes_nothing,
    calls.what_nobody_asked_for_can_be_left_out,
    calls.signing_adds_headers_and_changes_nothing_else,
    calls.no_secret_is_in_any_repr,
    calls.equal_settings_share_a_queue,
)
OF_AN_ANSWER: Promises = (
    answers.the_reply_means_exactly_what_is_recorded,
    answers.what_is_no_answer_is_an_error,
    answers.an_answer_cut_short_at_any_byte_is_an_error,
    answers.an_answer_with_anything_strange_in_it_is_an_answer_or_an_error,
    answers.an_answer_with_a_new_member_is_an_answer,
)
OF_VECTORS: Promises = (vectors.an_answer_for_more_or_fewer_inputs_is_an_error,)
OF_A_STREAM: Promises = (
    streams.the_stream_means_exactly_what_is_recorded,
    streams.a_stream_cut_at_every_byte_is_the_same,
    streams.a_stream_that_ends_early_does_not_end_well,
    streams.a_stream_with_anything_strange_in_it_is_read_or_is_an_error,
    streams.a_stream_with_new_members_is_a_stream,
)
OF_A_REFUSAL: Promises = (complaints.a_complaint_is_found_where_the_provider_puts_it,)
