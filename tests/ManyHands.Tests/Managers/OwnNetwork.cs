using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;

namespace ManyHands.Tests.Managers;

/// <summary>A network of two hosts on this machine: this one, and a network namespace with a cable between them that can be pulled. Needs root and iproute2.</summary>
internal sealed partial class OwnNetwork : IAsyncDisposable
{
    private const int CloneNewNetwork = 0x40000000;
    private readonly string name = $"mh{Environment.ProcessId}";

    public static bool IsPossible { get; } = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && TryRun("ip", $"netns add mhprobe{Environment.ProcessId}") && TryRun("ip", $"netns del mhprobe{Environment.ProcessId}");

    public IPAddress There { get; } = IPAddress.Parse("10.213.77.2");

    public static OwnNetwork Create()
    {
        OwnNetwork network = new();
        string here = $"{network.name}a", there = $"{network.name}b";
        Run($"netns add {network.name}");
        Run($"link add {here} type veth peer name {there}");
        Run($"link set {there} netns {network.name}");
        Run($"addr add 10.213.77.1/24 dev {here}");
        Run($"link set {here} up");
        Run($"netns exec {network.name} ip addr add {network.There}/24 dev {there}");
        Run($"netns exec {network.name} ip link set {there} up");
        return network;
    }

    /// <summary>Runs something over there; sockets that it makes stay there.</summary>
    public void RunThere(Action action)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                using Microsoft.Win32.SafeHandles.SafeFileHandle space = File.OpenHandle($"/var/run/netns/{name}");
                if (SetNamespace((int)space.DangerousGetHandle(), CloneNewNetwork) != 0)
                    throw new InvalidOperationException($"setns: {Marshal.GetLastPInvokeErrorMessage()}");
                action();
            }
            catch (Exception reason)
            {
                failure = reason;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
            throw new InvalidOperationException($"Over there: {failure.Message}", failure);
    }

    /// <summary>From now on nothing comes through, and nobody is told.</summary>
    public void PullCable() => Run($"link set {name}a down");

    public ValueTask DisposeAsync()
    {
        Run($"netns del {name}");
        TryRun("ip", $"link del {name}a");
        return default;
    }

    private static void Run(string arguments)
    {
        if (!TryRun("ip", arguments))
            throw new InvalidOperationException($"'ip {arguments}' failed.");
    }

    private static bool TryRun(string command, string arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(int descriptor, int kind);
}
