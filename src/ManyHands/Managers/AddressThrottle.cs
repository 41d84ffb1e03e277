using System.Net;

namespace ManyHands.Managers;

/// <summary>Makes guessing slow: an address whose connections failed several times waits ever longer before it may try again. This machine itself doesn't wait; who is on it can do worse.</summary>
internal sealed class AddressThrottle(TimeProvider time)
{
    private const int Free = 5;
    private const int MostAddresses = 10_000;
    private static readonly TimeSpan Forgotten = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    private readonly Dictionary<IPAddress, (int Failures, DateTimeOffset Last)> known = [];

    public void Failed(EndPoint? peer)
    {
        if (AddressOf(peer) is not { } address)
            return;
        lock (known)
        {
            DateTimeOffset now = time.GetUtcNow();
            if (known.Count >= MostAddresses)
            {
                foreach (IPAddress old in known.Where(one => now - one.Value.Last > Forgotten).Select(one => one.Key).ToArray())
                    known.Remove(old);
                if (known.Count >= MostAddresses)
                    known.Clear();
            }

            int failures = known.TryGetValue(address, out (int Failures, DateTimeOffset Last) before) && now - before.Last <= Forgotten ? before.Failures : 0;
            known[address] = (failures + 1, now);
        }
    }

    /// <summary>How long the address has to wait now.</summary>
    public TimeSpan DelayOf(EndPoint? peer)
    {
        if (AddressOf(peer) is not { } address)
            return TimeSpan.Zero;
        lock (known)
        {
            if (!known.TryGetValue(address, out (int Failures, DateTimeOffset Last) before) || before.Failures < Free || time.GetUtcNow() - before.Last > Forgotten)
                return TimeSpan.Zero;
            TimeSpan delay = First * Math.Pow(2, Math.Min(10, before.Failures - Free));
            return delay < Longest ? delay : Longest;
        }
    }

    public Task DelayAsync(EndPoint? peer, CancellationToken token) => DelayOf(peer) is { } delay && delay > TimeSpan.Zero ? Task.Delay(delay, time, token) : Task.CompletedTask;

    private static IPAddress? AddressOf(EndPoint? peer) => peer is IPEndPoint { Address: var address } && !IPAddress.IsLoopback(address) ? address : null;
}
