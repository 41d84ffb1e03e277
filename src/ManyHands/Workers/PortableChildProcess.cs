using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using ManyHands.Platform;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>
/// A child on platforms where it can't inherit just the descriptors we mean: it learns over its standard input where to connect and the
/// secret to show there. That input then stays open as its lifeline: its end is the parent's end.
/// </summary>
internal sealed class PortableChildProcess : ChildProcess
{
    private const int SecretSize = 32;
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(30);

    private readonly Process process;
    private readonly Thread[] readers;

    private PortableChildProcess(Process process, Channel channel, ChildOutput output, Thread[] readers)
    {
        this.process = process;
        this.readers = readers;
        Channel = channel;
        Output = output;
        Id = process.Id;
        Guarded.StartThread(GuardedEntry.PortableChild, "ManyHands child", WatchEnd, failed: _ => MarkEnded(default));
    }

    public override int Id { get; }

    public override Channel Channel { get; }

    public override ChildOutput Output { get; }

    public static new PortableChildProcess Start(ChildStart start)
    {
        RuntimeLayout layout = RuntimeLayout.Current;
        ProcessStartInfo information = new(layout.Muxer)
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = start.WorkingDirectory ?? "",
        };
        foreach (string argument in layout.Arguments)
            information.ArgumentList.Add(argument);
        information.ArgumentList.Add("--connect");
        information.ArgumentList.Add(start.Name);
        foreach ((string name, string? value) in start.Environment)
            information.Environment[name] = value;

        // Only this user can enter a directory made this way.
        DirectoryInfo directory = Directory.CreateTempSubdirectory("manyhands-");
        try
        {
            string address = Path.Combine(directory.FullName, "s");
            using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(address));
            listener.Listen(1);
            FaultPoint.Reach(FaultStep.AddressMade);
            byte[] secret = RandomNumberGenerator.GetBytes(SecretSize);
            ChildOutput output = new(start.Output);
            Process process = Process.Start(information) ?? throw new IOException($"Starting {layout.Muxer} failed.");
            output.ProcessId = process.Id;
            FaultPoint.Reach(FaultStep.ProcessSpawned);
            Thread[] readers = [Read(process.StandardOutput, output, isError: false), Read(process.StandardError, output, isError: true)];
            try
            {
                process.StandardInput.WriteLine(address);
                process.StandardInput.WriteLine(Convert.ToHexString(secret));
                process.StandardInput.Flush();
                return new PortableChildProcess(process, new SocketChannel(Accept(listener, process, output, secret), sendWaits: false), output, readers);
            }
            catch
            {
                process.Kill(entireProcessTree: true);
                process.Dispose();
                throw;
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    public override void Terminate()
    {
        if (!OperatingSystem.IsWindows())
        {
            if (!WaitForEnd(TimeSpan.Zero, out _))
                _ = Linux.Kill(Id, Linux.Sigterm);
            return;
        }

        // Windows has no polite request to a process without a window; the function's token was cancelled before.
        Kill();
    }

    public override void Kill()
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception failure) when (failure is InvalidOperationException or AggregateException or System.ComponentModel.Win32Exception)
        {
            // It has ended already, or one of those it has started has.
        }
    }

    private static Socket Accept(Socket listener, Process process, ChildOutput output, byte[] secret)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!listener.Poll(100_000, SelectMode.SelectRead))
        {
            if (process.HasExited)
                throw new IOException($"The worker exited with code {process.ExitCode} before it was ready. Its last lines: {string.Join(" | ", output.LastErrorLines)}");
            if (Stopwatch.GetElapsedTime(startedAt) > ConnectTime)
                throw new IOException($"The worker did not connect within {ConnectTime.TotalSeconds:0} s.");
        }

        Socket connection = listener.Accept();
        byte[] shown = new byte[SecretSize];
        connection.ReceiveTimeout = (int)ConnectTime.TotalMilliseconds;
        for (int read = 0; read < shown.Length;)
        {
            int count = connection.Receive(shown.AsSpan(read));
            if (count == 0)
                break;
            read += count;
        }

        if (CryptographicOperations.FixedTimeEquals(shown, secret))
            return connection;
        connection.Dispose();
        throw new IOException("Something that is not the worker connected to its socket.");
    }

    private static Thread Read(StreamReader stream, ChildOutput output, bool isError)
    {
        return Guarded.StartThread(
            GuardedEntry.PortableOutput,
            "ManyHands output",
            () =>
            {
                try
                {
                    while (stream.ReadLine() is { } line)
                        output.Line(isError, line);
                }
                catch (Exception failure) when (failure is IOException or ObjectDisposedException)
                {
                    // The child is gone.
                }
            },

            // Else the child would wait for ever with the pipe full.
            failed: _ => stream.Dispose());
    }

    private void WatchEnd()
    {
        process.WaitForExit();
        foreach (Thread reader in readers)
            reader.Join(TimeSpan.FromSeconds(1));

        // .NET reports a signal's death as 128 plus its number, as shells do.
        int code = process.ExitCode;
        bool signaled = !OperatingSystem.IsWindows() && code is > 128 and < 128 + 65;
        process.Dispose();
        MarkEnded(new ProcessEnd(signaled ? null : code, signaled ? code - 128 : null));
    }
}
