using ManyHands;

/// <summary>A program that has nothing of another one's but the names of what they share.</summary>
internal static class Named
{
    /// <param name="part">
    /// serve: doubles what comes in the first queue, into the second. ask: sends that many numbers and prints the sum of the answers. hold: has a value by that name, tells so in the folder, and ends when the folder has
    /// a file "end", without having disposed of it.
    /// </param>
    /// <param name="names">Of the objects, then what the part needs besides.</param>
    public static int Run(string part, string[] names)
    {
        switch (part, names)
        {
            case ("serve", [var requests, var answers]):
                {
                    using SharedQueue<int> from = SharedObject.OpenOrCreate(requests, static () => new SharedQueue<int>());
                    using SharedQueue<long> to = SharedObject.OpenOrCreate(answers, static () => new SharedQueue<long>());
                    foreach (int number in from.ReadAll())
                        to.Enqueue(2L * number);
                    to.Complete();
                    return 0;
                }

            case ("ask", [var requests, var answers, var count]):
                {
                    using SharedQueue<int> to = SharedObject.OpenOrCreate(requests, static () => new SharedQueue<int>());
                    using SharedQueue<long> from = SharedObject.OpenOrCreate(answers, static () => new SharedQueue<long>());
                    for (int i = 0; i < int.Parse(count, System.Globalization.CultureInfo.InvariantCulture); i++)
                        to.Enqueue(i);
                    to.Complete();
                    Console.WriteLine(from.ReadAll().Sum());
                    return 0;
                }

            case ("hold", [var name, var folder]):
                {
                    string own = Path.Combine(folder, $"{Environment.ProcessId}");
                    SharedValue<int> value = SharedObject.OpenOrCreate(name, () =>
                    {
                        File.WriteAllText(own + "-made", "");
                        return new SharedValue<int>();
                    });
                    value.Increment();
                    File.WriteAllText(own + "-holds", "");
                    while (!File.Exists(Path.Combine(folder, "end")))
                        Thread.Sleep(2);
                    GC.KeepAlive(value);
                    return 0;
                }

            default:
                return 2;
        }
    }
}
