using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using ManyHands.Platform;
using Microsoft.Win32.SafeHandles;

namespace ManyHands.Managers;

/// <summary>Sockets that listen.</summary>
internal static class Listening
{
    private const int Backlog = 512;

    /// <param name="path">The file of a Unix socket, to be removed at the end; else null.</param>
    /// <exception cref="IOException">The address can't be had.</exception>
    public static Socket Open(EndPoint endPoint, out string? path)
    {
        path = null;
        Socket socket = endPoint is UnixDomainSocketEndPoint
            ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            string? bound = null;
            if (endPoint is UnixDomainSocketEndPoint unix)
                BindFile(socket, unix, out bound);
            else
                socket.Bind(endPoint);
            socket.Listen(Backlog);

            // Only now is it one's own: what stands there otherwise is somebody else's, which nobody here may remove.
            path = bound;
            return socket;
        }
        catch (SocketException reason)
        {
            socket.Dispose();
            throw new IOException($"The manager can't listen on {endPoint}: {ExceptionText.MessageOf(reason)}. {(reason.SocketErrorCode == SocketError.AddressAlreadyInUse ? "Another program does; take another address, or port 0 for a free one." : "")}", reason);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception reason) when (reason is IOException or UnauthorizedAccessException)
        {
            // Its folder was taken away.
        }
    }

    // Only its owner may connect, from the moment that it is there: the folder is the owner's alone.
    private static void BindFile(Socket socket, UnixDomainSocketEndPoint endPoint, out string path)
    {
        path = endPoint.ToString();
        if (path.StartsWith('@') || path.Contains('\0', StringComparison.Ordinal))
            throw new IOException($"'{path}' is an abstract socket, which every user of the machine can connect to. Take a path in a folder of your own.");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!OperatingSystem.IsWindows())
        {
            if (!Directory.Exists(folder))
                throw new IOException($"There is no folder '{folder}' for the socket. Make one that only you may use: mkdir -m 700 {folder}.");
            const UnixFileMode Others = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
            if ((File.GetUnixFileMode(folder) & Others) != 0)
                throw new IOException($"Others may enter or change the folder '{folder}', and so could connect to the socket or put their own in its place. Take one of your own: chmod 700 {folder}.");
        }

        RemoveLeftover(path);
        socket.Bind(endPoint);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    // A manager that was killed leaves its file; nobody answers there any more.
    private static void RemoveLeftover(string path)
    {
        if (!File.Exists(path))
            return;

        // To connect to a file that is no socket is refused like a connection to a socket where nobody listens.
        if (OperatingSystem.IsLinux() && !IsSocket(path))
            throw new IOException($"'{path}' is there already, and is no socket. Take another path, or remove it.");
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException reason) when (reason.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        catch (SocketException)
        {
        }

        throw new IOException($"'{path}' is there already, and is in use or no socket. Take another path, or remove it.");
    }

    [SupportedOSPlatform("linux")]
    private static bool IsSocket(string path)
    {
        using SafeFileHandle file = Linux.TryOpenAt(null, path, Linux.OpenPathOnly | Linux.OpenNoFollow, 0, out int error) ?? throw Linux.Failure($"Looking at {path}", error);
        return Linux.Status(file).IsSocket;
    }
}
