"""What a turn says to BigQuery."""

from uuid import UUID

from shared.connectors.bigquery.failures import TURN_LOST
from shared.connectors.bigquery.tables import Place
from shared.connectors.bigquery.turn import Turn

RUN = UUID(int=7)
PLACE = Place("acme-data", "dataset_1")


def test_leases_of_one_run_differ_in_the_names_of_what_they_stage() -> None:
    names = {Turn(PLACE, run_id, fence).name for run_id in (RUN, UUID(int=8)) for fence in (1, 2)}
    assert len(names) == 4
    assert Turn(PLACE, RUN, 2).name == f"{RUN.hex}_2"


def test_the_turn_is_kept_beside_the_dataset() -> None:
    table = Turn(PLACE, RUN, 1).table
    assert (table.project, table.dataset_id) == ("acme-data", "dataset_1_staging")


def test_a_turn_is_taken_by_parameters_and_held_by_whoever_took_it() -> None:
    turn = Turn(PLACE, RUN, 3)
    statement, parameters = turn.take()
    assert parameters == {"run_id": ("STRING", str(RUN)), "fence": ("INT64", 3)}
    assert "WHERE run_id != @run_id OR fence <= @fence" in statement
    assert f"WHERE run_id = '{RUN}' AND fence = 3" in turn.hold()
    assert TURN_LOST in turn.hold()


def test_a_project_of_a_domain_is_one_name() -> None:
    turn = Turn(Place("acme.example:data-1", "d"), RUN, 1)
    assert "`acme.example:data-1.d_staging.syncline_turn`" in turn.make()
