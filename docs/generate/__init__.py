"""The pages that code can write: rules, DAGs, settings, topics, records, layers, flow, what fails and why.

``python -m docs.generate`` (``make docs``) writes them. It stands beside the pages and not in ``include``, because
it is a developer's tool: the image does not hold it, and it may look at everything, the domain and Airflow alike.
"""
