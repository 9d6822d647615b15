"""Makes a database with the tables of an older MLflow: older_schemas.py URI REVISION REVISION_OF_PEOPLE.

Runs in the newest MLflow's environment, and is quicker than a server of that version.
"""

import sys

import sqlalchemy
from alembic import command
from mlflow.server.auth.db import utils as people
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base


def main(uri, *revisions):
    engine = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(engine)
    for made, revision in zip((utils, people), revisions, strict=True):
        with engine.begin() as connection:
            config = made._get_alembic_config(uri)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)


if __name__ == "__main__":
    main(*sys.argv[1:])
