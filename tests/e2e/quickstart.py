"""MLflow's quickstart, as somebody types it: no address, no name, no password in it."""

import sys

import mlflow
import mlflow.sklearn
from sklearn.linear_model import LogisticRegression

if len(sys.argv) > 1:
    mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("resnet")
points, classes = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
with mlflow.start_run(run_name="quickstart") as run:
    model = LogisticRegression(C=0.5).fit(points, classes)
    mlflow.log_params({"C": 0.5, "solver": "lbfgs"})
    mlflow.log_metric("accuracy", model.score(points, classes))
    mlflow.log_text("what the picture shows", "notes.txt")
    info = mlflow.sklearn.log_model(model, name="model", pip_requirements=[])
loaded = mlflow.pyfunc.load_model(info.model_uri)
assert list(loaded.predict(points)) == list(model.predict(points))
print("run", run.info.run_id, mlflow.get_tracking_uri())
