"""A stand-in of the Hugging Face Hub: the endpoints that its client uses to push a model and to fetch it."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_right"


class Hub(ThreadingHTTPServer):
    """Keeps repositories in memory.

    ``repositories`` maps names to branches, and these to files. ``refuse`` answers paths that begin so with a
    status; ``asked`` are the requests that came.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.private, self.objects = {}, set(), {}
        self.refuse, self.asked = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        """Stop it, as a network that is gone."""
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content=None, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if not isinstance(content, bytes):
            self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for begin, status in self.server.refuse.items():
            if path.startswith(begin):
                return self.answer(status, {"error": "refused for the test"})
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path.startswith("/objects/"):  # signed addresses need no token
            self.server.objects[path.rpartition("/")[2]] = body
            return self.answer(200, b"")
        if path.startswith("/api/models/") and self.command == "GET":
            return self.look(*path.removeprefix("/api/models/").split("/"), known=known)
        if "/resolve/" in path:
            return self.resolve(*path[1:].split("/"), known=known)
        if not known:
            return self.answer(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(json.loads(body))
        if path.startswith("/api/models/"):
            owner, name, what, revision = path.removeprefix("/api/models/").split("/", 3)
            return getattr(self, f"post_{what}")(f"{owner}/{name}", revision, body)
        return self.answer(404, {"error": f"not in the stand-in: {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def create(self, wanted):
        name = f"{wanted.get('organization') or 'anna'}/{wanted['name']}"
        there, address = name in self.server.repositories, f"{self.server.address}/{name}"
        if not there:
            self.server.repositories[name] = {"main": {}}
            if wanted.get("private") or wanted.get("visibility") == "private":
                self.server.private.add(name)
        return self.answer(409 if there else 200, {"url": address, "error": "You already created this"})

    def files(self, repository, revision):
        """The files of a branch or of a commit's number; None if there is none."""
        branches = self.server.repositories.get(repository, {})
        by_number = {commit_of(files): files for files in branches.values()}
        return branches.get(revision, by_number.get(revision))

    def post_preupload(self, repository, revision, body):
        if self.files(repository, revision) is None:
            return self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        modes = [
            {"path": file["path"], "shouldIgnore": False, "oid": None}
            | {"uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
            for file in json.loads(body)["files"]
        ]
        return self.answer(200, {"files": modes})

    def post_branch(self, repository, revision, body):
        there = revision in self.server.repositories[repository]
        self.server.repositories[repository].setdefault(revision, {})
        return self.answer(409 if there else 200, {"error": "Reference already exists"})

    def batch(self, wanted):
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.address}/objects/{each['oid']}"}}}
            for each in wanted["objects"]
        ]
        return self.answer(200, {"transfer": "basic", "objects": objects})

    def post_commit(self, repository, revision, body):
        files = dict(self.files(repository, revision))
        for line in body.splitlines():
            value = (entry := json.loads(line))["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        self.server.repositories[repository][revision] = files
        number = commit_of(files)
        address = f"{self.server.address}/{repository}/commit/{number}"
        return self.answer(200, {"commitOid": number, "commitUrl": address})

    def look(self, owner, name, what="revision", revision="main", known=False):
        """Facts of a repository, or the list of its files."""
        repository = f"{owner}/{name}"
        files = self.files(repository, revision)
        if repository not in self.server.repositories or (repository in self.server.private and not known):
            return self.answer(404 if known else 401, {"error": "Not found"}, X_Error_Code="RepoNotFound")
        if files is None:
            return self.answer(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
        if what == "tree":
            return self.answer(200, [{"type": "file", "path": path, **facts(files[path])} for path in files])
        siblings = [{"rfilename": path} for path in files]
        private = repository in self.server.private
        return self.answer(
            200,
            {"id": repository, "sha": commit_of(files), "private": private, "siblings": siblings},
        )

    def resolve(self, owner, name, _, revision, path, known=False):
        """A file, or its head."""
        files = self.files(f"{owner}/{name}", revision)
        if files is None or path not in files or (f"{owner}/{name}" in self.server.private and not known):
            return self.answer(404, {"error": "Not found"}, X_Error_Code="EntryNotFound")
        return self.answer(
            200, files[path], ETag=f'"{facts(files[path])["oid"]}"', X_Repo_Commit=commit_of(files)
        )


def facts(content):
    """Size and number of a file."""
    return {"size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def commit_of(files):
    """A number that stands for these files."""
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
