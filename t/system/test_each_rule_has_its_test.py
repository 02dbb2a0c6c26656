"""Each rule of the design's section 12 that applies so far, and the tests that prove it: the table says which, and this test
that they are there."""
import os
import pathlib
import re

import fakes
import wire
from mail import message

import thurn as t

RULES = {
    # spool segments
    1: ["lib/service/test_segment_ids_never_come_again.c: ids_go_up, a_lost_counter_goes_on_after_what_is_there",
        "lib/queue/test_segments_keep_what_was_acknowledged.c: the_lock_tells_whether_the_owner_lives, "
        "a_live_segment_ends_in_a_tail_a_sealed_one_in_a_seal",
        "master/test_sandbox.py: test_segments_go_to_services_that_are_configured_for_them",
        "qmgr/test_nothing_is_lost.py: test_a_segment_goes_when_all_of_it_is_done"],
    2: ["qmgr/test_nothing_is_lost.py: test_mail_accepted_while_qmgr_is_away_is_found",
        "system/test_what_can_not_be_accepted_is_refused.py: test_a_stopped_queue_manager_stops_nobody_from_sending",
        "system/test_crashes_lose_nothing.py: test_everything_is_killed_while_messages_come_in"],
    3: ["lib/queue/test_segments_keep_what_was_acknowledged.c: stamps_are_read_back",
        "qmgr/test_nothing_is_lost.py: test_a_wiped_database_comes_back_from_the_segments, "
        "test_a_row_without_its_segment_is_closed_and_said, test_a_killed_qmgr_repeats_nothing_to_other_hosts",
        "qmgr/test_a_power_cut_takes_only_the_last_second.c: what_was_served_before_is_not_served_again, "
        "what_an_operator_removed_does_not_come_back",
        "system/test_what_comes_back_is_a_report.py: test_an_administrator_holds_releases_flushes_and_removes"],
    4: ["qmgr/test_a_bad_medium_harms_little.py: test_a_damaged_record_holds_up_the_others_for_its_time",
        "lib/queue/test_segments_keep_what_was_acknowledged.c: bodies_of_every_size_come_back, a_failed_write_is_skipped, "
        "the_rest_of_a_large_body_comes_from_a_file",
        "lib/queue/test_damage_hides_nothing_else.c: every_cut_of_the_last_kib, every_flip_of_the_last_kib"],
    5: ["lib/queue/test_rows_and_keys.c: children_have_the_same_id_each_time",
        "qmgr/test_a_failed_sync_is_never_believed.c: a_report_counts_as_made_when_it_is_synced",
        "qmgr/test_nothing_is_lost.py: test_kills_lose_nothing_and_repeat_nothing_locally"],
    6: ["lib/os/test_files_and_memfds.c: sealed_memfds_can_not_change",
        "system/test_each_rule_has_its_test.py: test_the_smtp_agent_holds_one_message_and_no_segment"],
    7: ["smtpd/test_limits_hold.py: test_hops", "qmgr/test_what_fails_is_reported.py: test_a_message_that_loops_is_returned",
        "qmgr/test_aliases.py: test_a_loop_is_reported_not_followed"],
    # sync
    8: ["lib/io/test_group_commit.c: failure_is_final, who_comes_during_a_failing_sync_fails_too",
        "lib/queue/test_every_write_may_fail.c: a_call_fails_once, the_disk_dies_at_a_call_and_recovers",
        "lib/kv/test_every_write_may_fail.c: a_call_fails_once, the_disk_is_full_from_a_call_on",
        "qmgr/test_a_failed_sync_is_never_believed.c: a_report_is_remembered, a_segment_stays, "
        "another_process_does_not_believe_it_either",
        "lib/store/test_failing_medium.c: a_failed_pack_is_left_and_nothing_is_recorded, a_failed_segment_is_written_anew_elsewhere, "
        "what_can_not_be_synced_is_neither_answered_nor_shown"],
    9: ["powercut/test_power_cuts.py: test_nothing_acknowledged_is_lost_and_nothing_shown_taken_back, "
        "test_a_sync_that_is_left_out_is_noticed, test_durable_commits_survive_while_the_database_begins_new_logs"],
    10: ["system/test_what_can_not_be_accepted_is_refused.py: test_a_full_disk_is_452_and_recovers",
         "faults/test_disks_are_full.py: test_now_and_then, test_the_queue, test_the_store, test_the_directory",
         "qmgr/test_nothing_is_lost.py: test_the_reserve_is_there",
         "qmgr/test_a_bad_medium_harms_little.py: test_a_full_disk_leaves_room_for_what_is_accepted"],
    # store
    11: ["lib/store/test_processes.c: killed_writers_lose_nothing_acknowledged",
         "lib/store/test_failing_medium.c: a_tail_that_is_lost_is_given_up",
         "system/test_crashes_lose_nothing.py: test_appends_that_got_ok_survive_imapd"],
    12: ["lib/store/test_recovery.c: head_spoiled, a_head_that_promises_too_much"],
    13: ["lib/store/test_durability.c: a_new_boot_lifts_the_sequence",
         "system/test_crashes_lose_nothing.py: test_flags_and_expunges_survive_a_crash"],
    14: ["lib/store/test_mailboxes.c: ids_and_uidvalidities_never_return",
         "imapd/test_append.py: test_several_at_once_are_all_or_nothing", "lib/store/test_model.c: agrees_with_the_model"],
    15: ["lib/store/test_recovery.c: tree_spoiled, index_spoiled, everything_but_the_log_is_gone",
         "lib/store/test_failing_medium.c: a_failed_checkpoint_costs_nothing"],
    16: ["lib/store/test_processes.c: a_held_lock_is_busy_at_the_deadline", "lib/os/test_locks_die_with_their_holder.c: a_killed_holder_lets_go"],
    17: ["local/test_delivery.py: test_a_delivery_that_is_repeated_is_stored_once",
         "system/test_crashes_lose_nothing.py: test_one_program_is_killed_again_and_again"],
    18: ["lib/store/test_processes.c: a_waiter_is_woken_by_another_process",
         "system/test_sessions_notice_each_other.py: test_idle_hears_of_a_delivery_within_a_second"],
    19: ["system/test_each_rule_has_its_test.py: test_a_file_cut_under_a_session_is_that_accounts_failure_only"],
    20: ["local/test_delivery.py: test_one_message_for_many_is_stored_once"],
    21: ["imapd/test_selecting.py: test_recent_belongs_to_one_session",
         "system/test_sessions_notice_each_other.py: test_recent_is_told_to_one_session_only"],
    22: ["pop3d/test_pop3_sessions.py: test_in_use, test_without_quit_nothing_is_deleted, test_numbers_stay_while_mail_comes_and_goes",
         "system/test_sessions_notice_each_other.py: test_pop3_is_for_one_at_a_time, test_uidl_is_the_uid_and_stays"],
    # processes
    23: ["qmgr/test_strangers_are_refused.py: test_by_the_modes_of_files, test_by_the_uid, test_an_agent_is_who_its_uid_is",
         "master/test_sandbox.py: test_programs_have_uids_of_their_own, test_chroot_hides_the_files_and_master_connects_instead",
         "lib/os/test_privilege_does_not_come_back.c: drops"],
    24: ["lib/kv/test_batches_and_ranges.c: many_fibers_commit_at_once", "lib/io/test_helper_threads.c: the_loop_goes_on_meanwhile"],
    25: ["smtpd/test_tls_starts_clean.py: test_plaintext_behind_starttls_ends_the_connection",
         "smtpd/test_logins_by_every_mechanism.py: test_no_password_in_the_clear",
         "imapd_login/test_clients_that_have_not_logged_in.py: test_what_was_sent_before_tls_is_never_taken_for_what_comes_after",
         "directoryd/test_logins_by_every_mechanism_everywhere.py: test_no_password_in_the_clear"],
    27: ["lib/queue/test_drop_files_are_read_strictly.c: the_rows_hold",
         "admin/test_sendmail.py: test_files_that_are_no_messages_are_set_aside, test_an_ordinary_user_drops_and_can_not_touch",
         "smtpd/test_sendmail_socket_knows_its_peer.py: test_the_user_is_known",
         "system/test_sendmail_keeps_mail_for_later.py: test_what_it_took_while_the_server_was_down_is_delivered_after_the_start"],
    # content
    "content": ["system/test_every_message_comes_back_byte_for_byte.py: test_our_own_messages, test_the_public_corpus",
                "smtpd/test_only_crlf_dot_crlf_ends_a_message.py: test_false_ends_are_no_ends, test_what_a_message_may_hold",
                "smtpd/test_lmtp_answers_for_each_recipient.py: test_replies"],
}

# What waits for the issue that builds or can show it.
LATER = {
    26: "there is no pipe agent yet: nobody becomes a user",
}


def test_the_table_names_tests_that_exist():
    missing = []
    for rule, rows in RULES.items():
        for row in rows:
            path, names = row.split(": ")
            file = t.ROOT / "t" / path
            text = file.read_text() if file.exists() else ""
            for name in names.split(", "):
                if not re.search(r"\b%s\(" % name, text):
                    missing.append("rule %s: %s: %s" % (rule, path, name))
    assert not missing, "\n".join(missing)


def test_no_rule_is_forgotten():
    assert sorted(r for r in [*RULES, *LATER] if r != "content") == list(range(1, 28))


# --- what no other file proves ---

def open_files(pid):
    """What its descriptors lead to, and what is in those that are memory. Some are closed while we look."""
    files, texts = [], []
    for fd in pathlib.Path("/proc/%d/fd" % pid).iterdir():
        try:
            files.append(os.readlink(fd))
            if files[-1].startswith("/memfd:"):
                texts.append(fd.read_bytes())
        except FileNotFoundError:
            pass
    return files, texts


def test_the_smtp_agent_holds_one_message_and_no_segment(instance):
    with fakes.Server(DATA=fakes.HANG) as server:
        thurn = instance(settings={"smtp.smart_host": fakes.to(server), "smtp.data_timeout": "60s"})
        with thurn.submissions("anna") as s:
            s.sendmail("anna@sandbox.test", ["x@far.test"], message("on its way"))
            s.sendmail("anna@sandbox.test", ["anna@sandbox.test"], message("stays here"))
        t.wait_for(lambda: server.said("DATA"), 10, "the agent's DATA")
        (pid,) = thurn.pids("smtp-agent")
        files, texts = open_files(pid)
        assert not [f for f in files if str(thurn.dir / "queue") in f or str(thurn.dir / "store") in f], files
        assert any(b"on its way" in text for text in texts), files
        assert not any(b"stays here" in text for text in texts)
        thurn.kill()  # before the server's end would be waited for


def test_a_file_cut_under_a_session_is_that_accounts_failure_only(instance):
    thurn = instance(settings={"imapd:min_workers": "1", "imapd:max_workers": "1"})
    for user in "anna", "bert":
        with wire.Imap(thurn, user) as c:
            data = message("x")
            for _ in range(10):  # until there is a checkpoint
                c.send(b"a APPEND INBOX" + (b" {%d+}\r\n%s" % (len(data), data)) * 200 + b"\r\n")
                while not c.reply().startswith(b"a OK"):
                    pass
    thurn.restart()
    anna, bert = wire.Imap(thurn, "anna"), wire.Imap(thurn, "bert")
    for c in anna, bert:
        c.command("SELECT INBOX")
        assert len(c.fetch("FLAGS", "1:10")) == 10
    log = thurn.log()
    account = re.findall(r"user=anna@sandbox\.test login account=(\w+)", log)[-1]
    (folder,) = (thurn.dir / "store").glob("*/*/" + account)
    pid = thurn.pids("imapd")[0]
    mapped = [line.split()[-1] for line in open("/proc/%d/maps" % pid) if account in line]
    assert mapped, "nothing of the account is mapped"
    for path in {p for p in mapped if not p.endswith("/head")}:
        os.truncate(path, 0)
    try:
        anna.send(b"x UID FETCH 1:* (FLAGS)\r\n")
        while not anna.reply().startswith(b"x "):
            pass
    except ConnectionError:
        pass
    # The other session of the same process lives on.
    assert thurn.pids("imapd") == [pid]
    assert len(bert.fetch("FLAGS")) == 2000
    assert len(list(folder.iterdir())) >= 2
