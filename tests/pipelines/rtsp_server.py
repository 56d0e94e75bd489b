#!/usr/bin/env python3
# rtsp_server.py: a network camera for the tests, which speaks RTSP.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# As much of RFC 2326 as one client needs that gets Motion JPEG over the connection
# itself: what is asked for over UDP is refused, as by a camera behind a firewall.
# The picture is the ball of `videotestsrc`, live and without an end.

import socket
import subprocess
import threading

PATH = "/ball"
CAMERA = ("gst-launch-1.0 -q videotestsrc is-live=true pattern=ball "
          "background-color=0xffb4b4b4 foreground-color=0xff1e5ae6 ! "
          "video/x-raw,format=I420,width=160,height=120,framerate=15/1 ! "
          "jpegenc ! rtpjpegpay ! rtpstreampay ! fdsink").split()
DESCRIPTION = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=ball\r\n"
               "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\n"
               "a=control:video\r\n")


class Server:
    """Listens while the `with` block runs; `url` is where. With a number of
    packets it hangs up after them."""

    def __init__(self, packets=None):
        self.packets = packets
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self.listener.getsockname()[1]}{PATH}"
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                Client(connection, self.packets).talk()


class Client:
    def __init__(self, connection, packets):
        self.connection = connection
        self.packets = packets
        self.stream = connection.makefile("rb")
        self.lock = threading.Lock()    # between replies and packets
        self.camera = None
        self.copier = None

    def talk(self):
        """Answers requests until the client goes."""
        try:
            while self.reply_to_next():
                pass
        except OSError:
            pass
        self.stream.close()
        if self.camera:
            self.camera.kill()
            self.copier.join()
            self.camera.wait()
            self.camera.stdout.close()

    def reply_to_next(self):
        first = self.stream.read(1)
        if first == b"$":
            # a report of the client's on what it got
            length = int.from_bytes(self.stream.read(3)[1:], "big")
            self.stream.read(length)
            return True
        if not first:
            return False
        method, url, _ = (first + self.stream.readline()).decode().split()
        headers = {}
        for line in iter(self.stream.readline, b"\r\n"):
            key, _, value = line.decode().partition(":")
            headers[key.strip().lower()] = value.strip()
        status, more, body = self.reply(method, url, headers)
        self.send("\r\n".join([f"RTSP/1.0 {status}",
                               f"CSeq: {headers['cseq']}", *more,
                               f"Content-Length: {len(body)}", "", body]))
        if method == "PLAY":
            self.play()
        return method != "TEARDOWN"

    def reply(self, method, url, headers):
        """Status, headers and body."""
        if method == "OPTIONS":
            return ("200 OK", ["Public: DESCRIBE, SETUP, PLAY, TEARDOWN"], "")
        if method == "DESCRIBE":
            if not url.endswith(PATH):
                return "404 Not Found", [], ""
            return ("200 OK", ["Content-Type: application/sdp",
                               f"Content-Base: {url}/"], DESCRIPTION)
        if method == "SETUP":
            if "interleaved" not in headers["transport"]:
                return "461 Unsupported Transport", [], ""
            return ("200 OK", [f"Transport: {headers['transport']}",
                               "Session: 1"], "")
        if method in ("PLAY", "TEARDOWN"):
            return "200 OK", ["Session: 1"], ""
        return "501 Not Implemented", [], ""

    def play(self):
        self.camera = subprocess.Popen(CAMERA, stdout=subprocess.PIPE)
        self.copier = threading.Thread(target=self.copy)
        self.copier.start()

    def copy(self):
        """Packets of the camera, a length before each, to channel 0."""
        try:
            while length := self.camera.stdout.read(2):
                packet = self.camera.stdout.read(int.from_bytes(length, "big"))
                self.send(b"$\0" + length + packet)
                if self.packets:
                    self.packets -= 1
                    if not self.packets:
                        self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send(self, data):
        with self.lock:
            self.connection.sendall(
                data if isinstance(data, bytes) else data.encode())
