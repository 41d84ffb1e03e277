// The least that a .NET process can be: it says when its first line ran, on the clock that all processes of the machine share.
long firstLine = System.Diagnostics.Stopwatch.GetTimestamp();
Console.WriteLine(firstLine);
