"""A client that was generated from docs/openapi.json, against the real program.

Every answer is one of the generated types, and mypy holds what is written here to them.
"""

import base64
import json
import unittest
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from house import House
from vestibule_api import AuthenticatedClient, Client
from vestibule_api.api.account import (
    cancel_email_change,
    change_email,
    change_name,
    change_password,
    delete_account,
    end_other_sessions,
    end_session,
    export_account,
    list_sessions,
    show_account,
)
from vestibule_api.api.accounts import (
    confirm_email,
    forgot_password,
    judge_password,
    resend_confirmation,
    reset_password,
    sign_up,
)
from vestibule_api.api.notes import create_note, delete_note, list_notes, show_note, update_note
from vestibule_api.api.other_programs import find_user, follow_revocations, jwks, openapi, verify
from vestibule_api.api.sessions import confirm_password, current_session, log_in, log_out, refresh, refresh_by_get
from vestibule_api.models import (
    ChangeEmail,
    ChangeName,
    ChangePassword,
    ConfirmEmail,
    ConfirmPassword,
    DeleteAccount,
    Export,
    ForgotPassword,
    FoundUser,
    JudgePassword,
    Judgement,
    KeySet,
    LogIn,
    Note,
    NoteList,
    NoteText,
    Problem,
    ResetPassword,
    RevocationFeed,
    SessionList,
    SignUp,
    UserAndSession,
    UserOnly,
)
from vestibule_api.types import UNSET

PASSWORD = "copper window thursday"
OTHER_PASSWORD = "velvet orchard seventeen"
DOCUMENT = Path(__file__).parent / "../../docs/openapi.json"

Told = TypeVar("Told")


class GeneratedClient(unittest.TestCase):
    house: House
    numbers = count()

    @classmethod
    def setUpClass(cls) -> None:
        cls.house = House()
        cls.addClassCleanup(cls.house.close)

    def setUp(self) -> None:
        self.email = f"ann{next(self.numbers)}@example.com"

    def test_what_it_was_generated_from_is_what_the_program_says(self) -> None:
        told = openapi.sync(client=self.stranger())
        self.assertEqual(told, json.loads(DOCUMENT.read_text(encoding="utf-8")))

    def test_who_signs_up_is_logged_in(self) -> None:
        stranger = self.stranger()
        signed_up = sign_up.sync_detailed(client=stranger, body=SignUp(name="Ann", email=self.email, password=PASSWORD))
        self.assertEqual(signed_up.status_code, HTTPStatus.CREATED)
        told = self.told(UserAndSession, signed_up.parsed)
        self.assertEqual((told.user.name, told.user.email, told.user.role), ("Ann", self.email, "user"))
        self.assertFalse(told.user.is_email_verified)
        self.assertIsInstance(told.user.id, UUID)
        self.assertEqual((told.session.current, told.session.ip), (True, "127.0.0.1"))
        self.assertLess(told.session.created_at, told.session.expires_at)

        known = self.like_a_browser(stranger)
        self.assertEqual(self.told(UserOnly, show_account.sync(client=known)).user, told.user)
        self.assertEqual(self.told(UserAndSession, current_session.sync(client=known)).session.id, told.session.id)

    def test_every_field_that_is_not_right_is_named(self) -> None:
        problem = self.told(Problem, sign_up.sync(client=self.stranger(), body=SignUp(name="", email="x", password="x")))
        self.assertEqual((problem.status, problem.code), (422, "invalid_input"))
        assert problem.errors is not UNSET and problem.errors
        self.assertEqual({error.field for error in problem.errors}, {"name", "email", "password"})
        self.assertTrue(all(error.code and error.message for error in problem.errors))

    def test_an_address_that_is_taken_is_a_conflict(self) -> None:
        self.ann()
        body = SignUp(name="Ann", email=self.email, password=PASSWORD)
        self.assert_problem(sign_up.sync(client=self.stranger(), body=body), 409, "email_taken")

    def test_a_wrong_password_and_an_unknown_address_are_the_same_problem(self) -> None:
        self.ann()
        wrong = log_in.sync(client=self.stranger(), body=LogIn(email=self.email, password=OTHER_PASSWORD))
        unknown = log_in.sync(client=self.stranger(), body=LogIn(email="nobody@example.com", password=PASSWORD))
        problem = self.assert_problem(wrong, 401, "invalid_credentials")
        self.assertIs(problem.errors, UNSET)
        self.assertEqual(problem, unknown)

    def test_a_stranger_is_told_to_log_in(self) -> None:
        nobody = self.program("x")
        self.assert_problem(show_account.sync(client=nobody), 401, "unauthenticated")
        self.assert_problem(list_notes.sync(client=nobody), 401, "unauthenticated")

    def test_nothing_is_changed_without_the_csrf_token(self) -> None:
        known = self.ann()
        del known.get_httpx_client().headers["X-CSRF-Token"]
        answer = change_name.sync(client=known, body=ChangeName(name="Eve"))
        self.assert_problem(answer, 403, "csrf_failed")
        self.assertEqual(self.told(UserOnly, show_account.sync(client=known)).user.name, "Ann")

    def test_a_session_is_refreshed_with_the_csrf_token_and_goes_on(self) -> None:
        known = self.ann()
        cookies = known.get_httpx_client().cookies
        before, csrf = cookies["vestibule_refresh"], cookies["vestibule_csrf"]
        session = self.told(UserAndSession, current_session.sync(client=known)).session
        refreshed = self.told(UserAndSession, refresh.sync(client=known))
        self.assertEqual(refreshed.session.id, session.id)
        self.assertEqual(self.told(UserAndSession, refresh_by_get.sync(client=known)).session.id, session.id)
        cookies = known.get_httpx_client().cookies
        self.assertNotEqual(cookies["vestibule_refresh"], before)
        self.assertEqual(cookies["vestibule_csrf"], csrf)
        self.assertEqual(self.told(UserOnly, show_account.sync(client=known)).user.email, self.email)

        del known.get_httpx_client().headers["X-CSRF-Token"]
        self.assert_problem(refresh.sync(client=known), 403, "csrf_failed")

    def test_an_access_token_alone_is_enough_for_programs(self) -> None:
        access = self.ann().get_httpx_client().cookies["vestibule_access"]
        program = self.program(access)
        self.assertEqual(self.told(UserOnly, show_account.sync(client=program)).user.email, self.email)
        note = self.told(Note, create_note.sync(client=program, body=NoteText(title="By a program")))
        self.assertEqual((note.title, note.body), ("By a program", ""))
        self.assertEqual(len(self.told(KeySet, jwks.sync(client=self.stranger())).keys), 1)

        asked = verify.sync_detailed(client=program)
        self.assertEqual((asked.status_code, asked.headers["X-Auth-Email"]), (HTTPStatus.OK, self.email))
        self.assert_problem(verify.sync(client=program, role="admin"), 403, "forbidden")

    def test_a_log_out_is_told_to_who_follows_with_a_service_key(self) -> None:
        wiki = self.program(self.house.service_key("wiki", "revocations:read"))
        leaving, staying = self.ann(), self.ann_elsewhere()
        sid, issued_at = self.claimed(leaving, "sid"), self.claimed(leaving, "iat")
        feed = self.told(RevocationFeed, follow_revocations.sync(client=wiki))
        self.assertFalse(feed.more)
        self.assertNotIn(sid, [ended.sid for ended in feed.revocations])

        self.assertEqual(log_out.sync_detailed(client=leaving).status_code, HTTPStatus.NO_CONTENT)
        feed = self.told(RevocationFeed, follow_revocations.sync(client=wiki, since=feed.next_))
        moments = [ended.at.timestamp() for ended in feed.revocations if ended.sid == sid]
        self.assertGreaterEqual(max(moments), issued_at)
        self.assertNotIn(self.claimed(staying, "sid"), [ended.sid for ended in feed.revocations])
        self.assertFalse(feed.reset)
        self.assertGreater(feed.keep_for, 0)
        self.assert_problem(follow_revocations.sync(client=wiki, since="x"), 422, "invalid_input", "since")

    def test_a_user_is_found_by_their_id_with_a_service_key(self) -> None:
        known = self.ann()
        user = self.told(UserOnly, show_account.sync(client=known)).user
        self.assertEqual(self.claimed(known, "sub"), str(user.id))
        shop = self.program(self.house.service_key("shop", "users:read"))
        found = self.told(FoundUser, find_user.sync(user.id, client=shop))
        self.assertEqual(found.user, user)
        self.assertEqual((found.user.name, found.user.email), ("Ann", self.email))
        self.assertFalse(found.is_disabled)
        self.assert_problem(find_user.sync(uuid4(), client=shop), 404, "not_found")

    def test_a_service_key_opens_what_its_scopes_name_and_nothing_else(self) -> None:
        known = self.ann()
        user = self.told(UserOnly, show_account.sync(client=known)).user
        wiki = self.program(self.house.service_key("wiki", "revocations:read"))
        self.assert_problem(find_user.sync(user.id, client=wiki), 403, "forbidden")
        self.assert_problem(show_account.sync(client=wiki), 401, "unauthenticated")
        shop = self.program(self.house.service_key("shop", "users:read"))
        self.assert_problem(follow_revocations.sync(client=shop), 403, "forbidden")
        both = self.program(self.house.service_key("both", "revocations:read", "users:read"))
        self.told(FoundUser, find_user.sync(user.id, client=both))
        self.told(RevocationFeed, follow_revocations.sync(client=both))

        # Nor does what a user has open what a key does.
        person = self.program(known.get_httpx_client().cookies["vestibule_access"])
        self.assert_problem(find_user.sync(user.id, client=person), 401, "unauthenticated")
        self.assert_problem(follow_revocations.sync(client=person), 401, "unauthenticated")

    def test_the_account_is_changed(self) -> None:
        known = self.ann()
        changed = change_name.sync(client=known, body=ChangeName(name="Zoë"))
        self.assertEqual(self.told(UserOnly, changed).user.name, "Zoë")
        self.assert_problem(change_name.sync(client=known, body=ChangeName(name="")), 422, "invalid_input", "name")

        new = f"new-{self.email}"
        body = ChangeEmail(email=new, current_password=OTHER_PASSWORD)
        answer = change_email.sync(client=known, body=body)
        self.assert_problem(answer, 401, "invalid_credentials", "current_password")
        body.current_password = PASSWORD
        self.assertEqual(change_email.sync_detailed(client=known, body=body).status_code, HTTPStatus.ACCEPTED)
        self.assertEqual(cancel_email_change.sync_detailed(client=known).status_code, HTTPStatus.NO_CONTENT)

        weak = change_password.sync(client=known, body=ChangePassword(current_password=PASSWORD, new_password="password"))
        self.assert_problem(weak, 422, "invalid_input", "new_password")
        body2 = ChangePassword(current_password=PASSWORD, new_password=OTHER_PASSWORD)
        self.assertEqual(change_password.sync_detailed(client=known, body=body2).status_code, HTTPStatus.NO_CONTENT)
        answer = log_in.sync(client=self.stranger(), body=LogIn(email=self.email, password=OTHER_PASSWORD))
        self.assertEqual(self.told(UserAndSession, answer).user.name, "Zoë")

    def test_an_address_is_confirmed_with_the_link_that_was_mailed(self) -> None:
        known = self.ann()
        again = resend_confirmation.sync_detailed(client=known)
        self.assertEqual(again.status_code, HTTPStatus.ACCEPTED)
        token = self.house.mailed_token(self.email, "confirm")
        self.assert_problem(confirm_email.sync(client=known, body=ConfirmEmail(token="x")), 400, "token_invalid")
        confirmed = confirm_email.sync(client=known, body=ConfirmEmail(token=token))
        self.assertTrue(self.told(UserOnly, confirmed).user.is_email_verified)
        self.assert_problem(resend_confirmation.sync(client=known), 409, "conflict")

    def test_a_forgotten_password_is_set_anew(self) -> None:
        known = self.ann()
        for email in (self.email, "nobody@example.com"):
            answer = forgot_password.sync_detailed(client=self.stranger(), body=ForgotPassword(email=email))
            self.assertEqual((answer.status_code, answer.parsed), (HTTPStatus.ACCEPTED, None))
        token = self.house.mailed_token(self.email, "reset-password")
        weak = reset_password.sync(client=self.stranger(), body=ResetPassword(token=token, password="password"))
        self.assert_problem(weak, 422, "invalid_input", "password")
        body = ResetPassword(token=token, password=OTHER_PASSWORD)
        self.assertEqual(reset_password.sync_detailed(client=self.stranger(), body=body).status_code, 204)
        self.assert_problem(reset_password.sync(client=self.stranger(), body=body), 400, "token_invalid")
        self.assert_problem(show_account.sync(client=known), 401, "session_revoked")

    def test_a_password_is_judged(self) -> None:
        for password, acceptable in (("password", False), (PASSWORD, True)):
            # Strangers may ask too. The generator takes whatever names a way to log in for what asks for one.
            told = judge_password.sync(client=self.stranger(), body=JudgePassword(password=password))  # type: ignore[arg-type]
            self.assertEqual(self.told(Judgement, told).acceptable, acceptable)
        known = self.ann()
        answer = confirm_password.sync_detailed(client=known, body=ConfirmPassword(password=PASSWORD))
        self.assertEqual(answer.status_code, HTTPStatus.NO_CONTENT)

    def test_sessions_are_listed_and_ended(self) -> None:
        known, *others = self.ann(), self.ann_elsewhere(), self.ann_elsewhere()
        sessions = self.told(SessionList, list_sessions.sync(client=known)).sessions
        self.assertEqual([session.current for session in sessions].count(True), 1)
        self.assertEqual(len(sessions), 3)
        elsewhere = self.told(UserAndSession, current_session.sync(client=others[0])).session
        self.assertEqual(end_session.sync_detailed(elsewhere.id, client=known).status_code, HTTPStatus.NO_CONTENT)
        self.assert_problem(end_session.sync(uuid4(), client=known), 404, "not_found")
        self.assertEqual(end_other_sessions.sync_detailed(client=known).status_code, HTTPStatus.NO_CONTENT)
        for other in others:
            self.told(Problem, current_session.sync(client=other))
        self.assertEqual(len(self.told(SessionList, list_sessions.sync(client=known)).sessions), 1)

    def test_notes_are_written_read_and_thrown_away(self) -> None:
        known = self.ann()
        created = create_note.sync_detailed(client=known, body=NoteText(title="First", body="Wörter\n"))
        self.assertEqual(created.status_code, HTTPStatus.CREATED)
        note = self.told(Note, created.parsed)
        self.assertEqual(created.headers["Location"], f"/api/notes/{note.id}")
        self.assertEqual((note.title, note.body), ("First", "Wörter\n"))
        self.assertEqual(show_note.sync(note.id, client=known), note)

        updated = self.told(Note, update_note.sync(note.id, client=known, body=NoteText(title="Second", body="")))
        self.assertEqual((updated.id, updated.title, updated.created_at), (note.id, "Second", note.created_at))
        self.assertGreater(updated.updated_at, note.updated_at)

        self.assertEqual(delete_note.sync_detailed(note.id, client=known).status_code, HTTPStatus.NO_CONTENT)
        gone = self.assert_problem(show_note.sync(note.id, client=known), 404, "not_found")
        self.assertEqual((gone.type_, gone.title), ("about:blank", "Not Found"))
        self.assert_problem(update_note.sync(note.id, client=known, body=NoteText(title="x")), 404, "not_found")
        self.assert_problem(delete_note.sync(uuid4(), client=known), 404, "not_found")

    def test_a_list_is_read_part_by_part(self) -> None:
        known = self.ann()
        for number in range(5):
            self.told(Note, create_note.sync(client=known, body=NoteText(title=f"Note {number}")))
        titles, sizes = [], []
        part = self.told(NoteList, list_notes.sync(client=known, limit=2))
        while True:
            titles += [note.title for note in part.notes]
            sizes.append(len(part.notes))
            if part.next_cursor is None:
                break
            part = self.told(NoteList, list_notes.sync(client=known, limit=2, cursor=part.next_cursor))
        self.assertEqual(titles, [f"Note {number}" for number in (4, 3, 2, 1, 0)])
        self.assertEqual(sizes, [2, 2, 1])
        self.assert_problem(list_notes.sync(client=known, limit=101), 422, "invalid_input", "limit")
        self.assert_problem(list_notes.sync(client=known, cursor="x"), 422, "invalid_input", "cursor")

    def test_what_no_answer_of_an_operation_names_is_a_problem_too(self) -> None:
        large = NoteText(title="Large", body="x" * 70_000)
        answer = create_note.sync_detailed(client=self.ann(), body=large)
        self.assertEqual(answer.status_code, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self.assert_problem(answer.parsed, 413, "payload_too_large")
        long = NoteText(title="x" * 201)
        self.assert_problem(create_note.sync(client=self.ann_elsewhere(), body=long), 422, "invalid_input", "title")

    def test_all_that_is_held_is_exported(self) -> None:
        known = self.ann()
        self.told(Note, create_note.sync(client=known, body=NoteText(title="Kept")))
        export = self.told(Export, export_account.sync(client=known))
        self.assertEqual((export.user.email, export.user.pending_email), (self.email, None))
        self.assertEqual([(session.state, session.current) for session in export.sessions], [("alive", True)])
        self.assertIn("signed_up", [event.kind for event in export.events])
        self.assertEqual([mail.recipient for mail in export.mails], [self.email])
        self.assertEqual(export["notes"][0]["title"], "Kept")

    def test_who_logs_out_is_a_stranger(self) -> None:
        known = self.ann()
        self.assertEqual(log_out.sync_detailed(client=known).status_code, HTTPStatus.NO_CONTENT)
        self.assertNotIn("vestibule_access", known.get_httpx_client().cookies)
        self.assert_problem(current_session.sync(client=known), 401, "unauthenticated")

    def test_a_deleted_account_is_gone(self) -> None:
        known = self.ann()
        wrong = delete_account.sync(client=known, body=DeleteAccount(current_password=OTHER_PASSWORD))
        self.assert_problem(wrong, 401, "invalid_credentials", "current_password")
        deleted = delete_account.sync_detailed(client=known, body=DeleteAccount(current_password=PASSWORD))
        self.assertEqual(deleted.status_code, HTTPStatus.NO_CONTENT)
        answer = log_in.sync(client=self.stranger(), body=LogIn(email=self.email, password=PASSWORD))
        self.assert_problem(answer, 401, "invalid_credentials")

    def stranger(self) -> Client:
        client = Client(base_url=self.house.url)
        self.addCleanup(client.get_httpx_client().close)
        return client

    def like_a_browser(self, logged_in: Client) -> AuthenticatedClient:
        """Who just logged in or signed up: shows the cookies that were set, and the value of one of them as a header."""
        cookies = logged_in.get_httpx_client().cookies
        csrf = cookies["vestibule_csrf"]
        known = AuthenticatedClient(base_url=self.house.url, token=csrf, prefix="", auth_header_name="X-CSRF-Token")
        known.get_httpx_client().cookies = cookies
        self.addCleanup(known.get_httpx_client().close)
        return known

    def program(self, bearer: str) -> AuthenticatedClient:
        """A program that has an access token, or a service key, and no cookies."""
        program = AuthenticatedClient(base_url=self.house.url, token=bearer)
        self.addCleanup(program.get_httpx_client().close)
        return program

    def claimed(self, known: AuthenticatedClient, name: str) -> Any:
        """What somebody's access token says under a name."""
        payload = known.get_httpx_client().cookies["vestibule_access"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))[name]

    def ann(self) -> AuthenticatedClient:
        """Somebody who has just signed up."""
        stranger = self.stranger()
        body = SignUp(name="Ann", email=self.email, password=PASSWORD)
        self.told(UserAndSession, sign_up.sync(client=stranger, body=body))
        return self.like_a_browser(stranger)

    def ann_elsewhere(self) -> AuthenticatedClient:
        """The same in another browser."""
        stranger = self.stranger()
        self.told(UserAndSession, log_in.sync(client=stranger, body=LogIn(email=self.email, password=PASSWORD)))
        return self.like_a_browser(stranger)

    def told(self, kind: type[Told], answer: object) -> Told:
        assert isinstance(answer, kind), answer
        return answer

    def assert_problem(self, answer: object, status: int, code: str, field: str | None = None) -> Problem:
        problem = self.told(Problem, answer)
        self.assertEqual((problem.status, problem.code), (status, code), problem.detail)
        if field is not None:
            assert problem.errors is not UNSET and problem.errors
            self.assertEqual([error.field for error in problem.errors], [field])
        return problem


if __name__ == "__main__":
    unittest.main()
