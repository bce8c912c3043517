"""DAGs as the DAG processor stores them, which a run of them and the API server need."""

from __future__ import annotations

from airflow.sdk import DAG


def store_dag(dag: DAG) -> None:
    """Store a DAG in the test's metadata database."""
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session

    with create_session() as session:
        if not session.get(DagBundleModel, "testing"):
            session.add(DagBundleModel(name="testing"))
        session.commit()
        update_dag_parsing_results_in_db("testing", None, [LazyDeserializedDAG.from_dag(dag)], {}, 0.1, set(), session)
