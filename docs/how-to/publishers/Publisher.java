// Java 17 or newer, without libraries: speaks RESP, the protocol of Redis, over an unencrypted socket.
// Use: java Publisher.java redis://user:password@host:6379/0 emr:payments '{"schema":1,"event_id":"%s",...}' TYPE COMPANY CLINIC PAYMENT LINE VERSION
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.*;

public class Publisher {
    public static void main(String[] args) throws Exception {
        URI url = new URI(args[0]);
        String[] login = (url.getUserInfo() == null ? ":" : url.getUserInfo()).split(":", 2);
        String event = args[2].replace("%s", eventId(Arrays.copyOfRange(args, 3, args.length)));
        try (Socket socket = new Socket(url.getHost(), url.getPort() < 0 ? 6379 : url.getPort())) {
            socket.setSoTimeout(15_000);
            if (!login[1].isEmpty()) send(socket, "AUTH", login[0].isEmpty() ? "default" : login[0], login[1]);
            send(socket, "SELECT", url.getPath().length() > 1 ? url.getPath().substring(1) : "0");
            System.out.println(send(socket, "XADD", args[1], "*", "event", event));
        }
    }

    /** Returns the id of a save: the same for every attempt to publish it. */
    static String eventId(String... key) throws Exception {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(String.join("\n", key).getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(hash).replaceFirst("^(.{8})(.{4})(.{4})(.{4})(.{12}).*$", "$1-$2-$3-$4-$5");
    }

    static String send(Socket socket, String... words) throws IOException {
        StringBuilder command = new StringBuilder("*" + words.length + "\r\n");
        for (String word : words)
            command.append("$" + word.getBytes(StandardCharsets.UTF_8).length + "\r\n" + word + "\r\n");
        socket.getOutputStream().write(command.toString().getBytes(StandardCharsets.UTF_8));
        String reply = line(socket);
        if (reply.startsWith("-")) throw new IOException(reply);
        return reply.startsWith("$") ? line(socket) : reply;
    }

    static String line(Socket socket) throws IOException {
        StringBuilder read = new StringBuilder();
        for (int next = socket.getInputStream().read(); next != '\n'; next = socket.getInputStream().read()) {
            if (next < 0) throw new EOFException("Redis closed the connection");
            read.append((char) next);
        }
        return read.toString().strip();
    }
}
