using System.Net.Sockets;
using System.Runtime.InteropServices;
using ManyHands.Platform;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>The main function of a child process.</summary>
internal static class WorkerEntry
{
    /// <summary>Called by ManyHands.Worker.dll, by name.</summary>
    /// <param name="arguments">How to reach the parent, then the worker's name, which is only for whoever reads a list of processes.</param>
    internal static int Run(string[] arguments)
    {
        Channel channel;
        switch (arguments)
        {
            case ["--inherited", _] when OperatingSystem.IsLinux():
                channel = Inherited();
                break;
            case ["--connect", _]:
                channel = Connect();
                break;
            default:
                Console.Error.WriteLine("ManyHands.Worker is started by the ManyHands library, for Pool.Processes and WorkerProcess; it does nothing by itself.");
                return 2;
        }

        WorkerLoop loop = new(channel);
        using WorkerSignals signals = new(loop);
        return loop.Run();
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static SocketChannel Inherited()
    {
        // Not for what the functions start: a grandchild must hold neither end of anything.
        Linux.CloseOnExec(LinuxChildProcess.ChannelDescriptor);
        Linux.CloseOnExec(LinuxChildProcess.ParentDescriptor);
        ParentWatch.Start(LinuxChildProcess.ParentDescriptor);
        return new SocketChannel(new Socket(new SafeSocketHandle(LinuxChildProcess.ChannelDescriptor, ownsHandle: true)), sendWaits: true);
    }

    private static SocketChannel Connect()
    {
        string address = Console.In.ReadLine() ?? throw new EndOfStreamException("The parent ended before it said where to connect.");
        byte[] secret = Convert.FromHexString(Console.In.ReadLine() ?? "");
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(address));
        socket.Send(secret);
        new Thread(static () =>
        {
            // Standard input says nothing more; its end is the parent's end.
            while (Console.In.Read() >= 0)
            {
            }

            OwnEnd.Kill();
        })
        { Name = "ManyHands parent watch", IsBackground = true }.UnsafeStart();
        return new SocketChannel(socket, sendWaits: true);
    }
}

/// <summary>Ends this process and what it has started when its parent ends, whatever the functions in it are doing.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static unsafe class ParentWatch
{
    public static void Start(int parent)
    {
        // A stopped process can't watch anything. The kernel wakes it when its parent ends; to one that runs, the signal means nothing.
        Linux.SignalOnParentDeath(Linux.Sigcont);
        new Thread(() =>
        {
            Linux.PollDescriptor descriptor = new() { Descriptor = parent, Events = Linux.PollReadable };
            while (Linux.Poll(&descriptor, 1, -1) <= 0)
            {
            }

            OwnEnd.Kill();
        })
        { Name = "ManyHands parent watch", IsBackground = true }.UnsafeStart();
    }
}

/// <summary>Ends of this process that nothing in it can delay.</summary>
internal static class OwnEnd
{
    public static void Kill()
    {
        if (!OperatingSystem.IsWindows())
        {
            // The group is ours only if we lead it.
            if (OperatingSystem.IsLinux() && Linux.ProcessGroup(0) == Environment.ProcessId)
                _ = Linux.Kill(0, Linux.Sigkill);
            _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        }

        System.Diagnostics.Process.GetCurrentProcess().Kill(entireProcessTree: true);
    }

    /// <summary>Exits in order, handlers of <see cref="AppDomain.ProcessExit"/> included, and then dies of SIGTERM, so that the parent sees what happened.</summary>
    public static void ExitByTermination()
    {
        if (!OperatingSystem.IsWindows())
        {
            // Registered last, so called last.
            AppDomain.CurrentDomain.ProcessExit += static (_, _) =>
            {
                _ = Linux.SetSignalHandler(Linux.Sigterm, 0);
                _ = Linux.Kill(Environment.ProcessId, Linux.Sigterm);
            };
        }

        Environment.Exit(128 + Linux.Sigterm);
    }
}

/// <summary>What a worker does on signals: a Ctrl-C is the parent's business, a SIGTERM ends it politely.</summary>
internal sealed class WorkerSignals : IDisposable
{
    private static readonly TimeSpan FunctionsTime = TimeSpan.FromMilliseconds(500);
    private readonly PosixSignalRegistration[] registrations;

    public WorkerSignals(WorkerLoop loop)
    {
        registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => context.Cancel = true),
            PosixSignalRegistration.Create(PosixSignal.SIGQUIT, static context => context.Cancel = true),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
            {
                context.Cancel = true;
                new Thread(() =>
                {
                    loop.CancelRunning(FunctionsTime);
                    OwnEnd.ExitByTermination();
                })
                { Name = "ManyHands termination", IsBackground = true }.UnsafeStart();
            }),
        ];
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in registrations)
            registration.Dispose();
    }
}
